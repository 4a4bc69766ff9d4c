"""Writers for napari's File > Save: shapes as GeoJSON, images and labels as OME-Zarr."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.export.layer_image import PlacedLayer, write_layer
from napari_haiku.export.region_file import write_regions
from napari_haiku.viewer.out.drawn_regions import regions_of
from napari_haiku.viewer.out.slide_results import frame_in_view

if TYPE_CHECKING:
    from napari_haiku.export.qupath_frame import QuPathFrame


def write_shapes(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a Shapes layer as GeoJSON for QuPath.

    Coordinates are pixels of the slide in view, as QuPath counts them; without
    a slide they are um, and the file says so.
    """
    kinds = attributes.get("shape_type", "polygon")
    kinds = [kinds] * len(data) if isinstance(kinds, str) else [str(kind) for kind in kinds]
    scale, shift = _placement(attributes)
    corners = [np.asarray(c)[-2:] * scale + shift for shape in data for c in np.asarray(shape)]
    features = attributes.get("features")
    columns = (
        {} if features is None or not hasattr(features, "to_dict") else features.to_dict("list")
    )
    title = str(attributes.get("name", "Region"))
    regions = regions_of(corners, [len(shape) for shape in data], kinds, columns, title)
    if not regions:
        raise HaikuError("This layer holds no closed shape: draw a polygon, box or ellipse.")
    # napari has asked already whether the file may be replaced.
    write_regions(Path(path), regions, _frame(), replace=True)
    return [path]


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an Image layer as OME-Zarr with its physical size."""
    return _write(path, data, attributes, labels=False)


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a Labels layer as OME-Zarr labels with its physical size."""
    return _write(path, data, attributes, labels=True)


def _write(path: str, data: Any, attributes: dict[str, Any], *, labels: bool) -> list[str]:
    levels = list(data) if attributes.get("multiscale") else [data]
    rgb = bool(attributes.get("rgb"))
    scale, shift = _placement(attributes)
    if not np.isclose(scale[0], scale[1]):
        raise HaikuError(
            "This layer's pixels are not square, which an OME-Zarr of this kind cannot hold: "
            "change its scale."
        )
    write_layer(
        Path(path),
        PlacedLayer(
            name=str(attributes.get("name", "layer")),
            values=levels[0],
            rgb=rgb,
            step_um=float(scale[0]),
            # napari places the middle of the first pixel, OME-Zarr here its corner.
            corner_um=(float(shift[1] - scale[1] / 2), float(shift[0] - scale[0] / 2)),
            labels=labels,
            in_um=_in_um(attributes),
        ),
        replace=True,
    )
    return [path]


def _placement(attributes: dict[str, Any]) -> tuple[Any, Any]:
    """Return scale and translation of the last two axes; anything else cannot be written."""
    for what, still in (("affine", np.eye), ("rotate", np.eye)):
        matrix = np.asarray(attributes[what]) if attributes.get(what) is not None else None
        if matrix is not None and matrix.ndim == 2 and not np.allclose(matrix, still(len(matrix))):
            raise HaikuError("This layer is turned: only its scale and place can be written.")
    shear = attributes.get("shear")
    if shear is not None and np.asarray(shear).ndim == 1 and np.any(shear):
        raise HaikuError("This layer is sheared: only its scale and place can be written.")
    scale = np.asarray(attributes.get("scale", (1.0, 1.0)), float)[-2:]
    shift = np.asarray(attributes.get("translate", (0.0, 0.0)), float)[-2:]
    return scale, shift


def _in_um(attributes: dict[str, Any]) -> bool:
    units: Any = attributes.get("units") or ()
    return bool(units) and str(units[-1]) in {"um", "micrometer", "micron", "µm"}


def _frame() -> QuPathFrame | None:
    import napari

    from napari_haiku.viewer.workspace import workspace_of

    viewer = napari.current_viewer()
    return None if viewer is None else frame_in_view(workspace_of(viewer))
