"""Decide everything about an encoding before the first patch is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.clinical import caption, public_record
from napari_haiku.encoding import layout
from napari_haiku.encoding.intensity import slide_scaling
from napari_haiku.errors import HaikuError
from napari_haiku.images.grid import PatchGrid, make_grid
from napari_haiku.images.misregistration import measure_misregistration
from napari_haiku.images.tissue import TissueMask, tissue_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.encoding.request import EncodeRequest
    from napari_haiku.images.slide_image import SlideImage
    from napari_haiku.model.base import TissueModel

# Beyond the width of a cell H&E and mIF of a patch no longer show the same cells at its edge.
TOLERATED_SHIFT_UM = 10.0


@dataclass(frozen=True)
class Plan:
    """What an encoding will hold.

    Parameters
    ----------
    grid : PatchGrid
        Where the patches lie.
    attributes : dict
        The description that goes into the store.
    text : ndarray of float32, shape (dim,), or None
        What the text tower made of the record.
    """

    grid: PatchGrid
    attributes: dict[str, Any]
    text: NDArray[np.float32] | None

    @property
    def n_patches(self) -> int:
        """Patches to encode."""
        return len(self.grid)


def images_of(request: EncodeRequest) -> dict[str, SlideImage]:
    """Return the images of a request by modality, H&E first."""
    pairs = (("he", request.he), ("mif", request.mif))
    return {modality: image for modality, image in pairs if image is not None}


def inputs_of(request: EncodeRequest, model: TissueModel) -> dict[str, Any]:
    """Collect what decides the content of an encoding; cheap to compare."""
    patch_um, stride_um = request.sides_um(model)
    return {
        "slide_id": request.slide_id,
        "patient_id": request.patient,
        "images": {
            modality: {
                "fingerprint": image.fingerprint,
                "pixel_size_um": float(image.known_pixel_size_um),
                "origin_um": [float(value) for value in image.origin_um],
                **_affine_of(image),
            }
            for modality, image in images_of(request).items()
        },
        "markers": list(request.mif.used_markers) if request.mif is not None else [],
        "model": {"name": model.name, "fingerprint": model.fingerprint},
        "geometry": {
            "patch_um": patch_um,
            "stride_um": stride_um,
            "min_tissue": float(request.min_tissue),
            "region_um": None
            if request.region_um is None
            else [float(value) for value in request.region_um],
            **_given_threshold(request),
        },
        "record": public_record(request.record),
    }


def _affine_of(image: SlideImage) -> dict[str, Any]:
    """Say by which affine an image was laid into the frame, where it was."""
    return {} if image.affine_um is None else {"affine_um": [float(v) for v in image.affine_um]}


def _given_threshold(request: EncodeRequest) -> dict[str, Any]:
    given = request.tissue_threshold
    return {} if given is None else {"tissue_threshold": float(given)}


def make_plan(
    request: EncodeRequest,
    model: TissueModel,
    inputs: dict[str, Any],
    conditions: dict[str, Any],
) -> Plan:
    """Find the tissue, lay the grid, fit the intensity ranges and read the record.

    Raises
    ------
    HaikuError
        The model has no tower for the images, there is no tissue, the images do
        not overlap, or no channel is of use.
    """
    images = images_of(request)
    modalities = [modality for modality in images if modality in model.modalities]
    if not modalities:
        raise HaikuError(
            f"The model {model.name} has no tower for these images: choose another model."
        )
    mask = tissue_mask(images.get("he") or images["mif"], threshold=request.tissue_threshold)
    grid = _grid(request, model, mask)
    scaling = None if request.mif is None else _scaling(request.mif, mask, model)
    record = inputs["record"]
    words = caption(record) if record else ""
    text = model.encode_record(record) if words and "text" in model.modalities else None
    notes = [note for image in images.values() for note in image.notes]
    notes += [
        f"The model {model.name} has no {'H&E' if modality == 'he' else 'mIF'} tower, so that "
        "image is measured but has no vectors."
        for modality in images
        if modality not in modalities
    ]
    if "mif" in modalities and (strange := model.unknown_markers(inputs["markers"])):
        notes.append(
            f"The model {model.name} has never seen {', '.join(strange)}: measured, but read as a "
            "marker without a name."
        )
    registration = None
    if len(images) == 2:
        measured = measure_misregistration(images["he"], images["mif"], mask=mask)
        registration = measured.to_json()
        if measured.distance_um is not None and measured.distance_um > TOLERATED_SHIFT_UM:
            notes.append(measured.sentence())
    attributes = {
        "format": layout.FORMAT,
        "format_version": layout.FORMAT_VERSION,
        "slide_id": request.slide_id,
        "patient_id": request.patient,
        "modalities": modalities,
        "has_text": text is not None,
        "model": {
            "name": model.name,
            "fingerprint": model.fingerprint,
            "dim": int(model.dim),
            "pixel_size_um": float(model.pixel_size_um),
        },
        "images": {
            modality: _describe(image, inputs["images"][modality], model)
            for modality, image in images.items()
        },
        "geometry": {
            **inputs["geometry"],
            "origin_um": [float(value) for value in grid.origin_um],
            "shape": [int(value) for value in grid.shape],
        },
        "tissue": mask.describe(given=request.tissue_threshold is not None),
        "registration": registration,
        "markers": inputs["markers"],
        "scaling": scaling,
        "record": record,
        "caption": words,
        "n_patches": len(grid),
        "chunk_rows": layout.CHUNK_ROWS,
        "streamed": _streamed(images, modalities, len(inputs["markers"]), int(model.dim)),
        "notes": notes,
        "inputs": inputs,
        "computed_on": [{"first_patch": 0, **conditions}],
    }
    return Plan(grid, attributes, None if text is None else np.asarray(text, np.float32))


def _grid(request: EncodeRequest, model: TissueModel, mask: TissueMask) -> PatchGrid:
    patch_um, stride_um = request.sides_um(model)
    grid = make_grid(
        request.he,
        request.mif,
        patch_um=patch_um,
        stride_um=stride_um,
        min_tissue=request.min_tissue,
        mask=mask,
    )
    if request.region_um is None:
        return grid
    inside = grid.within(request.region_um)
    if not len(inside):
        raise HaikuError(
            "No patch on tissue has its centre in the region asked for: choose another region."
        )
    return inside


def _scaling(mif: SlideImage, mask: TissueMask, model: TissueModel) -> dict[str, list[float]]:
    fitted = slide_scaling(mif, mask, model.fit_scaling)
    return {
        "low": [float(value) for value in fitted.low],
        "high": [float(value) for value in fitted.high],
    }


def _describe(image: SlideImage, inputs: dict[str, Any], model: TissueModel) -> dict[str, Any]:
    level = image.level_for(model.read_um(image.modality))
    return {
        "name": image.name,
        **inputs,
        "shape": [int(value) for value in image.levels[0].shape],
        "dtype": str(image.dtype),
        "read_level": level,
        "read_pixel_size_um": float(image.level_pixel_size_um(level)),
    }


def _streamed(
    images: dict[str, SlideImage], modalities: list[str], markers: int, dim: int
) -> dict[str, list[Any]]:
    arrays: dict[str, list[Any]] = {
        layout.embedding_name(modality): [[dim], "float32"] for modality in modalities
    }
    if markers:
        arrays[layout.EXPRESSION] = [[markers], "float32"]
    side = layout.THUMBNAIL_PX
    for modality in images:
        arrays[layout.thumbnail_name(modality)] = [[side, side, 3], "uint8"]
    return arrays
