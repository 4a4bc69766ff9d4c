"""Read OME-Zarr 0.4 and 0.5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import zarr

from napari_haiku.errors import HaikuError
from napari_haiku.images.assembling import RawImage
from napari_haiku.images.lazy import lazy_array
from napari_haiku.images.pixel_size import square_pixel_size, um_per_unit

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_MARKS = (".zgroup", ".zattrs", ".zarray", "zarr.json")
# What zarr raises on stores that are not what they claim.
_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError)


def is_zarr(folder: Path) -> bool:
    """Tell whether a folder is a zarr group or array."""
    return any((folder / mark).exists() for mark in _MARKS)


def read_ome_zarr(folder: Path, *, says_size: bool = True) -> RawImage:
    """Open an OME-Zarr image lazily.

    Parameters
    ----------
    folder : Path
        The group; of a bioformats2raw layout, its first image.
    says_size : bool, default True
        Whether to read the pixel size.

    Raises
    ------
    HaikuError
        The group is no OME-Zarr image, is damaged, or has several planes in time
        or depth.
    """
    group = _group(folder)
    notes: list[str] = []
    attributes = _ome(group)
    if "multiscales" not in attributes and "bioformats2raw.layout" in attributes and "0" in group:
        notes.append("The folder holds a series of images; the first one is used.")
        inner = group["0"]
        if not isinstance(inner, zarr.Group):
            raise _no_image(folder)
        group, attributes = inner, _ome(inner)
    scales = attributes.get("multiscales")
    if str(attributes.get("format", "")).startswith("napari-haiku"):
        raise HaikuError(
            f"{folder.name} is what encoding a slide left and no image: open the image it was made "
            "of, beside which it is found by itself."
        )
    if not isinstance(scales, list) or not scales or not isinstance(scales[0], dict):
        raise _no_image(folder)
    try:
        return _read(folder, group, attributes, scales[0], notes, says_size=says_size)
    except _DAMAGE as error:
        raise _damaged(folder.name) from error


def _group(folder: Path) -> zarr.Group:
    try:
        return zarr.open_group(folder, mode="r")
    except _DAMAGE as error:
        raise _no_image(folder) from error


def _damaged(name: str) -> HaikuError:
    return HaikuError(
        f"{name} is damaged or incomplete and cannot be read as OME-Zarr: copy or export it again."
    )


class _ZarrLevel:
    """Array-like over one level that names damage."""

    def __init__(self, array: zarr.Array[Any], name: str) -> None:
        self._array, self._name = array, name
        self.shape = tuple(int(side) for side in array.shape)
        self.dtype = np.dtype(array.dtype).newbyteorder("=")
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        try:
            return np.asarray(self._array[key], dtype=self.dtype)
        except _DAMAGE as error:
            raise _damaged(self._name) from error


def _no_image(folder: Path) -> HaikuError:
    return HaikuError(
        f"{folder.name} is a zarr folder but no OME-Zarr image: give the group that has "
        "multiscales metadata."
    )


def _ome(group: zarr.Group) -> dict[str, Any]:
    attributes = dict(group.attrs)
    inner = attributes.get("ome")
    return dict(inner) if isinstance(inner, dict) else attributes


def _read(
    folder: Path,
    group: zarr.Group,
    attributes: dict[str, Any],
    scale: dict[str, Any],
    notes: list[str],
    *,
    says_size: bool,
) -> RawImage:
    axes = [a if isinstance(a, dict) else {"name": str(a)} for a in scale.get("axes", [])]
    members = [group[dataset["path"]] for dataset in scale["datasets"]]
    arrays = [member for member in members if isinstance(member, zarr.Array)]
    names = [str(axis["name"]).casefold() for axis in axes] or list("tczyx")[-arrays[0].ndim :]
    levels = [
        _arranged(lazy_array(_ZarrLevel(a, folder.name), _chunks(a)), names, folder) for a in arrays
    ]
    factors, shifts = _transform(scale, len(names))
    raw = RawImage(
        name=folder.name,
        levels=levels,
        rgb=False,
        channel_names=_labels(attributes),
        path=folder,
        notes=notes,
    )
    units = {str(a["name"]).casefold(): um_per_unit(str(a.get("unit", ""))) for a in axes}
    x, y = names.index("x"), names.index("y")
    x_unit, y_unit = units.get("x"), units.get("y")
    if x_unit is None or y_unit is None:
        if factors[x] != 1 or shifts[x] != 0:
            notes.append("The axes have no unit of length, so the pixel size is not known.")
        return raw
    raw.origin_um = (shifts[x] * x_unit, shifts[y] * y_unit)
    if says_size:
        raw.pixel_size_um = square_pixel_size(factors[x] * x_unit, factors[y] * y_unit, folder.name)
    return raw


def _chunks(array: zarr.Array[Any]) -> tuple[int, ...]:
    chunks = tuple(int(side) for side in array.chunks)
    return tuple(
        min(size, side * max(1, 512 // side)) if axis >= array.ndim - 2 else side
        for axis, (size, side) in enumerate(zip(array.shape, chunks, strict=True))
    )


def _arranged(level: da.Array, names: list[str], folder: Path) -> da.Array:
    if len(names) != level.ndim or "y" not in names or "x" not in names:
        raise HaikuError(
            f"{folder.name} has {level.ndim} axes but names {len(names)}: export it again."
        )
    for axis in reversed(range(level.ndim)):
        if names[axis] in ("t", "z"):
            if level.shape[axis] != 1:
                what = "focal planes" if names[axis] == "z" else "time points"
                raise HaikuError(
                    f"{folder.name} has {level.shape[axis]} {what}: save the one to use as its own "
                    "image."
                )
            level = level[(slice(None),) * axis + (0,)]
    kept = [name for name in names if name not in ("t", "z")]
    if kept == ["y", "x"]:
        plane: da.Array = level[None]
        return plane
    if sorted(kept) != ["c", "x", "y"]:
        raise HaikuError(
            f"{folder.name} has the axes {''.join(names)}, which are not channel, y and x: export "
            "it again."
        )
    ordered: da.Array = da.transpose(level, [kept.index(name) for name in "cyx"])
    return ordered


def _transform(scale: dict[str, Any], count: int) -> tuple[list[float], list[float]]:
    """Return scale and translation of level 0, the whole image's transformation applied last."""
    factors, shifts = [1.0] * count, [0.0] * count
    steps = [
        *(scale["datasets"][0].get("coordinateTransformations") or []),
        *(scale.get("coordinateTransformations") or []),
    ]
    for step in steps:
        if step.get("type") == "scale":
            by = [float(value) for value in step["scale"]]
            factors = [a * b for a, b in zip(factors, by, strict=True)]
            shifts = [a * b for a, b in zip(shifts, by, strict=True)]
        elif step.get("type") == "translation":
            by = [float(value) for value in step["translation"]]
            shifts = [a + b for a, b in zip(shifts, by, strict=True)]
    return factors, shifts


def _labels(attributes: dict[str, Any]) -> list[str]:
    omero = attributes.get("omero")
    channels = omero.get("channels", []) if isinstance(omero, dict) else []
    return [str(c.get("label", "")) if isinstance(c, dict) else "" for c in channels]
