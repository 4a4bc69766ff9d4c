"""OME-Zarr images of patch values and labels, in versions 0.4 and 0.5."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_haiku.images.grid import PatchGrid

Version = Literal["0.4", "0.5"]
VERSIONS: tuple[Version, ...] = ("0.4", "0.5")
_LARGEST_CHUNK = 1024


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A map of whole numbers with names, such as niches.

    Parameters
    ----------
    values : ndarray of int, shape `grid.shape`
        0 is "none".
    names : mapping of int to str
        What the numbers mean.
    colours : mapping of int to tuple of int
        Red, green and blue, 0 to 255.
    """

    values: NDArray[np.integer]
    names: Mapping[int, str] = field(default_factory=dict)
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)


def write_image(
    folder: Path,
    name: str,
    maps: Mapping[str, NDArray[np.float32]],
    grid: PatchGrid,
    *,
    labels: Mapping[str, LabelMap],
    notes: Mapping[str, Any],
    key: str,
    version: Version = "0.5",
) -> None:
    """Write one image into an empty folder, one channel a map, one pixel a grid step.

    Parameters
    ----------
    folder : Path
        Where to.
    name : str
        What the image is called.
    maps : mapping of str to ndarray
        Channels of shape `grid.shape`; NaN is "no value".
    grid : PatchGrid
        Where the patches lie.
    labels : mapping of str to LabelMap
        Labels that belong to the image.
    notes : mapping
        How the maps were made; kept under `key` in the image's attributes.
    key : str
        Where the notes lie.
    version : {"0.4", "0.5"}
        Version of the format; 0.4 lies in zarr v2, 0.5 in zarr v3.
    """
    import zarr

    group = zarr.open_group(str(folder), mode="w", zarr_format=_zarr_format(version))
    stack = np.stack(list(maps.values()))
    _array(group, stack, np.nan, ("c", "y", "x"), version)
    described = {
        "multiscales": [_multiscale(name, grid, ("c", "y", "x"), version)],
        "omero": {"channels": [_channel(*entry) for entry in zip(maps, stack, strict=True)]},
    }
    group.attrs.update({**_ome(described, version), key: dict(notes)})
    if labels:
        below = group.create_group("labels")
        below.attrs.update(_ome({"labels": list(labels)}, version))
        for title, label in labels.items():
            _write_labels(below.create_group(title), title, label, grid, version)


def _write_labels(
    group: Any, title: str, label: LabelMap, grid: PatchGrid, version: Version
) -> None:
    _array(group, np.asarray(label.values, np.int32), 0, ("y", "x"), version)
    described: dict[str, Any] = {
        "multiscales": [_multiscale(title, grid, ("y", "x"), version)],
        "image-label": {
            **({"version": version} if version == "0.4" else {}),
            "colors": [
                {"label-value": int(number), "rgba": [*colour, 255]}
                for number, colour in label.colours.items()
            ],
            "properties": [
                {"label-value": int(number), "name": name} for number, name in label.names.items()
            ],
            "source": {"image": "../../"},
        },
    }
    group.attrs.update(_ome(described, version))


def _zarr_format(version: Version) -> Literal[2, 3]:
    return 2 if version == "0.4" else 3


def _ome(described: dict[str, Any], version: Version) -> dict[str, Any]:
    """Version 0.5 puts everything under one key, 0.4 puts it at the top."""
    return {"ome": {"version": version, **described}} if version == "0.5" else described


def _array(
    group: Any, values: NDArray[Any], fill: float, axes: tuple[str, ...], version: Version
) -> None:
    places = tuple(min(max(1, side), _LARGEST_CHUNK) for side in values.shape[-2:])
    chunks = (1, *places) if values.ndim == 3 else places
    how: dict[str, Any] = (
        {"dimension_names": axes}
        if version == "0.5"
        else {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    )
    array = group.create_array(
        "0", shape=values.shape, chunks=chunks, dtype=values.dtype.name, fill_value=fill, **how
    )
    array[...] = values


def corner_um(grid: PatchGrid) -> tuple[float, float]:
    """Return (x, y) of the top-left corner of a map's first pixel, um.

    A pixel is as wide as the step between patches and centred on its patch.
    """
    x, y = (place + (grid.patch_um - grid.stride_um) / 2 for place in grid.origin_um)
    return x, y


def _multiscale(
    name: str, grid: PatchGrid, axes: tuple[str, ...], version: Version
) -> dict[str, Any]:
    x, y = corner_um(grid)
    scale = {"c": 1.0, "y": grid.stride_um, "x": grid.stride_um}
    shift = {"c": 0.0, "y": y, "x": x}
    return {
        **({"version": version} if version == "0.4" else {}),
        "name": name,
        "axes": [
            {"name": "c", "type": "channel"}
            if axis == "c"
            else {"name": axis, "type": "space", "unit": "micrometer"}
            for axis in axes
        ],
        "datasets": [
            {
                "path": "0",
                "coordinateTransformations": [
                    {"type": "scale", "scale": [scale[axis] for axis in axes]},
                    {"type": "translation", "translation": [shift[axis] for axis in axes]},
                ],
            }
        ],
    }


def _channel(name: str, values: NDArray[np.float32]) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    start, end = (float(v) for v in np.percentile(known, [2, 99])) if known.size else (low, high)
    return {
        "label": name,
        "color": "FFFFFF",
        "active": True,
        "window": {"min": low, "max": high, "start": start, "end": end},
    }
