"""One image or labels layer as OME-Zarr 0.5, block by block, with its physical place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku import __version__
from napari_haiku.errors import HaikuError
from napari_haiku.export.destination import fresh_folder
from napari_haiku.export.maps import is_map
from napari_haiku.export.provenance import KEY
from napari_haiku.notices import RESEARCH_USE

if TYPE_CHECKING:
    from pathlib import Path

_SIDE = 1024
_COLOURS = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"), ("alpha", "000000"))


@dataclass(frozen=True, eq=False)
class PlacedLayer:
    """Pixels and where they lie.

    Parameters
    ----------
    name : str
        The layer's name.
    values : array-like
        (y, x), (c, y, x), or (y, x, 3 or 4) when `rgb`; read block by block.
    rgb : bool
        Whether the last axis holds colours.
    step_um : float
        Side of a pixel.
    corner_um : tuple of float
        (x, y) of the first pixel's top-left corner.
    labels : bool
        Whether the values are whole numbers that name things.
    in_um : bool
        Whether the layer says that it is measured in um.
    """

    name: str
    values: Any
    rgb: bool
    step_um: float
    corner_um: tuple[float, float]
    labels: bool = False
    in_um: bool = True


def write_layer(path: Path, layer: PlacedLayer, *, replace: bool = False) -> None:
    """Write a layer as an OME-Zarr 0.5 image; labels carry the mark of an image of labels.

    Raises
    ------
    HaikuError
        The layer has more axes than channel, y and x, or the place is taken.
    """
    import zarr

    shape = tuple(layer.values.shape)
    ndim = len(shape) - int(layer.rgb)
    if ndim not in (2, 3) or (layer.rgb and ndim != 2):
        raise HaikuError(
            f"{layer.name} has {ndim} axes: only flat images, with channels or colours, "
            "can be written."
        )
    channels = shape[-1] if layer.rgb else shape[0] if ndim == 3 else 0
    sides = shape[:2] if layer.rgb else shape[-2:]
    axes = ("c", "y", "x") if channels else ("y", "x")
    dtype = np.dtype(layer.values.dtype)
    if dtype.kind == "b":
        dtype = np.dtype(np.uint8)
    with fresh_folder(path, ours=is_map, replace=replace) as fresh:
        group = zarr.open_group(str(fresh), mode="w", zarr_format=3)
        array = group.create_array(
            "0",
            shape=(channels, *sides) if channels else sides,
            chunks=((1,) if channels else ()) + tuple(min(max(1, s), _SIDE) for s in sides),
            dtype=dtype.name,
            dimension_names=axes,
        )
        for y in range(0, sides[0], _SIDE):
            for x in range(0, sides[1], _SIDE):
                part = (slice(y, y + _SIDE), slice(x, x + _SIDE))
                if layer.rgb:
                    block = np.moveaxis(np.asarray(layer.values[part]), -1, 0)
                    array[(slice(None), *part)] = block.astype(dtype)
                elif channels:
                    whole = (slice(None), *part)
                    array[whole] = np.asarray(layer.values[whole]).astype(dtype)
                else:
                    array[part] = np.asarray(layer.values[part]).astype(dtype)
        described: dict[str, Any] = {
            "version": "0.5",
            "multiscales": [_multiscale(layer, axes)],
        }
        if layer.rgb:
            described["omero"] = {"channels": [_colour(*one) for one in _COLOURS[:channels]]}
        if layer.labels:
            described["image-label"] = {}
        notes = {"made_by": f"napari-haiku {__version__}", "notice": RESEARCH_USE}
        group.attrs.update({"ome": described, KEY: notes})


def _colour(label: str, colour: str) -> dict[str, Any]:
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    return {"label": label, "color": colour, "active": label != "alpha", "window": window}


def _multiscale(layer: PlacedLayer, axes: tuple[str, ...]) -> dict[str, Any]:
    x, y = layer.corner_um
    steps = {"c": 1.0, "y": layer.step_um, "x": layer.step_um}
    shift = {"c": 0.0, "y": y, "x": x}
    unit = {"unit": "micrometer"} if layer.in_um else {}
    return {
        "name": layer.name,
        "axes": [
            {"name": "c", "type": "channel"}
            if axis == "c"
            else {"name": axis, "type": "space", **unit}
            for axis in axes
        ],
        "datasets": [
            {
                "path": "0",
                "coordinateTransformations": [
                    {"type": "scale", "scale": [steps[axis] for axis in axes]},
                    {"type": "translation", "translation": [shift[axis] for axis in axes]},
                ],
            }
        ],
    }
