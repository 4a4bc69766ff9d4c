"""What encoding will take, told before it starts: patches, time, disk, earlier work."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_haiku.clinical import public_record
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from pathlib import Path

    from napari_haiku.encoding.request import EncodeRequest, EncodeResult
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.images.grid import PatchGrid
    from napari_haiku.images.slide_image import SlideImage
    from napari_haiku.model.base import TissueModel

_TRIAL_PATCHES = 8
# Measured on H&E and mIF thumbnails: zstd leaves about three quarters of the bytes.
_THUMBNAIL_BYTES = 64 * 64 * 3 * 3 // 4


@dataclass(frozen=True)
class Preview:
    """What is known before encoding starts.

    Parameters
    ----------
    request : EncodeRequest
        What would be encoded; ids that the user never types are those of the
        encoding in place, where there is one.
    grid : PatchGrid
        Patches on tissue.
    seconds : float
        Estimate for the patches still to do.
    size_bytes : int
        Estimate of the disk space of the whole encoding.
    found : Encoding or None
        A finished encoding of just these inputs.
    done : int
        Patches of an unfinished encoding of just these inputs.
    conflict : str
        What differs, when another encoding is in the place; else "".
    other_record : bool
        Whether `found` or what is `done` differs in its clinical record alone.
    free_bytes : int
        Free disk space where the encoding goes.
    """

    request: EncodeRequest
    grid: PatchGrid
    seconds: float
    size_bytes: int
    found: Encoding | None = None
    done: int = 0
    conflict: str = ""
    other_record: bool = False
    free_bytes: int = 0


def preview(request: EncodeRequest, model: TissueModel) -> Job[Preview]:
    """Find the tissue, look for an earlier encoding and time a few patches.

    Parameters
    ----------
    request : EncodeRequest
        What would be encoded.
    model : TissueModel
        The model that would do it.
    """
    from napari_haiku.encoding.plan import inputs_of
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.encoding.writer import find_started
    from napari_haiku.images.grid import make_grid

    yield Progress(0, 0, "Looking for tissue")
    found, done, conflict, other_record = None, 0, "", False
    if request.output.exists():
        try:
            request = _continuing(request)
            earlier = Encoding.open(request.output, partial=True)
            kept = replace(request, record=earlier.record)
            find_started(request.output, inputs_of(kept, model))
            other_record = list(public_record(request.record).items()) != list(
                earlier.record.items()
            )
        except HaikuError as error:
            conflict = str(error)
        else:
            done = earlier.n_patches
            found = warmed(earlier) if earlier.complete else None
    if found is not None:
        return Preview(
            request, found.grid, 0.0, 0, found=found, done=done, other_record=other_record
        )
    patch_um, stride_um = request.sides_um(model)
    grid = make_grid(
        request.he,
        request.mif,
        patch_um=patch_um,
        stride_um=stride_um,
        min_tissue=request.min_tissue,
    )
    yield Progress(0, 0, "Timing a few patches")
    per_patch = _seconds_per_patch(request, model, grid)
    return Preview(
        request,
        grid,
        per_patch * (len(grid) - done),
        len(grid) * _bytes_per_patch(request, model),
        done=done,
        conflict=conflict,
        other_record=other_record,
        free_bytes=_free_bytes(request.output),
    )


def encode_or_resume(
    request: EncodeRequest, model: TissueModel, *, other_record: bool
) -> Job[EncodeResult]:
    """Encode, or go on; an encoding begun with another record reads the new one first."""
    from napari_haiku.encoding.pipeline import encode_slide
    from napari_haiku.encoding.record_change import change_record

    if other_record:
        yield Progress(0, 0, "Reading the record")
        change_record(request.output, request.record, model)
    return (yield from encode_slide(request, model))


def _free_bytes(path: Path) -> int:
    there = next(folder for folder in path.resolve().parents if folder.is_dir())
    return shutil.disk_usage(there).free


def _continuing(request: EncodeRequest) -> EncodeRequest:
    """Take over what the user did not say: ids, region, an untyped record, sizes of patches."""
    from napari_haiku.encoding.layout import read_attributes

    inputs = read_attributes(request.output)["inputs"]
    geometry = inputs["geometry"]
    region = geometry["region_um"]
    if request.patch_um is None and request.stride_um is None:
        request = replace(request, patch_um=geometry["patch_um"], stride_um=geometry["stride_um"])
    return replace(
        request,
        slide_id=inputs["slide_id"],
        patient_id=inputs["patient_id"],
        record=request.record or inputs["record"],
        region_um=None if region is None else tuple(region),
    )


def warmed(encoding: Encoding) -> Encoding:
    """Read what the window needs of an encoding, so that the main thread never waits for disk."""
    grid = encoding.grid
    _ = (grid.centres_um, encoding.centres_um, encoding.expression)
    return encoding


def opened_with_size(path: Path) -> tuple[Encoding, int]:
    """Open an encoding as the window needs it, and give its size on disk (bytes)."""
    from napari_haiku.encoding.store import Encoding

    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return warmed(Encoding.open(path)), size


def _seconds_per_patch(request: EncodeRequest, model: TissueModel, grid: PatchGrid) -> float:
    from napari_haiku.images.patches import PatchSource

    n = min(_TRIAL_PATCHES, len(grid))
    middle = (len(grid) - n) // 2
    seconds = 0.0
    for image in (request.he, request.mif):
        if image is None or image.modality not in model.modalities:
            continue
        source = PatchSource(image, grid, model.read_um(image.modality))
        for trial in range(2):
            begin = time.perf_counter()
            patches = source.read(middle, middle + n)
            _encode(model, image, patches, source.pixel_size_um)
            # The first pass pays for start-up that later batches do not pay again.
            if trial == 1:
                seconds += time.perf_counter() - begin
    return seconds / max(n, 1)


def _encode(model: TissueModel, image: SlideImage, patches: object, pixel_size: float) -> None:
    import numpy as np

    read = np.asarray(patches)
    if image.modality == "he":
        model.encode_he(read, pixel_size)
    else:
        model.encode_mif(read[:, list(image.used_channels)], image.used_markers, pixel_size)


def _bytes_per_patch(request: EncodeRequest, model: TissueModel) -> int:
    images = [image for image in (request.he, request.mif) if image is not None]
    markers = len(request.mif.used_markers) if request.mif is not None else 0
    return len(images) * (4 * model.dim + _THUMBNAIL_BYTES) + 4 * markers + 40
