"""Read TIFF files: OME-TIFF, Aperio SVS, ImageJ and plain ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.images.assembling import RawImage
from napari_haiku.images.ome_metadata import read_ome
from napari_haiku.images.pixel_size import (
    agreed_pixel_size,
    checked_pixel_size,
    size_from_resolution,
    square_pixel_size,
    um_per_unit,
)
from napari_haiku.images.tiff_levels import (
    DAMAGE,
    TiffLevel,
    check_complete,
    damaged,
    layout_of,
    open_tiff,
    tiff_level,
)

if TYPE_CHECKING:
    from pathlib import Path

    import tifffile
    from numpy.typing import NDArray

_MM_PER_UNIT_UM = {2: 25400.0, 3: 10000.0, 4: 1000.0, 5: 1.0}


def read_tiff(path: Path, *, says_size: bool = True) -> RawImage:
    """Open a TIFF lazily.

    The largest image of the file is taken; thumbnails, labels and other fields
    are left aside with a note.

    Parameters
    ----------
    path : Path
        The file.
    says_size : bool, default True
        Whether to read the file's pixel size; False where the user gives one,
        so that a contradiction in the file does not matter.

    Raises
    ------
    HaikuError
        The file is damaged, incomplete, has several planes in time or depth, or
        contradicts itself about its pixel size.
    """
    with open_tiff(path) as tiff:
        index, note = _largest(tiff)
        series = tiff.series[index]
        check_complete(tiff, series, path)
        try:
            raw = _described(tiff, index, path, says_size=says_size)
            axes, kinds = series.axes, [layout_of(level) for level in series.levels]
        except DAMAGE as error:
            raise damaged(path) from error
    if note:
        raw.notes.append(note)
    for source in [TiffLevel(path, index, level, *kind) for level, kind in enumerate(kinds)]:
        level, raw.rgb = _arranged(tiff_level(source, path), axes, path)
        if min(level.shape) > 0:
            raw.levels.append(level)
            raw.whole.append(_Whole(source, axes, path))
    return raw


class _Whole:
    """Decode one level at one go, in the order of its lazy array."""

    def __init__(self, source: TiffLevel, axes: str, path: Path) -> None:
        self._source, self._axes, self._path = source, axes, path

    def __call__(self) -> NDArray[Any]:
        pixels: NDArray[Any] = _arranged(self._source.whole(), self._axes, self._path)[0]
        return pixels


def _largest(tiff: tifffile.TiffFile) -> tuple[int, str]:
    areas = [
        series.sizes.get("height", series.shape[0]) * series.sizes.get("width", series.shape[-1])
        for series in tiff.series
    ]
    index = areas.index(max(areas))
    alike = sum(s.shape == tiff.series[index].shape for s in tiff.series)
    if alike > 1:
        return index, f"The file holds {alike} images of this size; the first one is used."
    return index, ""


def _described(tiff: tifffile.TiffFile, index: int, path: Path, *, says_size: bool) -> RawImage:
    raw = RawImage(name=path.name, levels=[], rgb=False, path=path)
    page = tiff.series[index].keyframe
    tags = _tag_size(page, path.name) if says_size and not tiff.is_imagej else None
    stated: float | None = None
    if tiff.is_ome and tiff.ome_metadata:
        ome = read_ome(tiff.ome_metadata, index, path.name)
        raw.origin_um = ome.origin_um
        raw.channel_names = list(ome.channel_names)
        raw.notes.extend(ome.notes)
        stated = ome.pixel_size_um(path.name) if says_size else None
    elif tiff.is_svs:
        stated = _svs_size(page.description, path.name) if says_size else None
    elif tiff.is_qpi:
        pages = tiff.series[index].pages
        raw.channel_names = [_qptiff_name(getattr(p, "description", "")) for p in pages]
    elif tiff.is_imagej:
        raw.channel_names = _imagej_labels(tiff.imagej_metadata or {})
        stated = _imagej_size(tiff.imagej_metadata or {}, page, path.name) if says_size else None
    raw.pixel_size_um = agreed_pixel_size(stated, tags, path.name) if says_size else None
    return raw


def _arranged(level: Any, axes: str, path: Path) -> tuple[Any, bool]:
    """Bring a level to (y, x, samples) or (c, y, x), and tell whether it is the former."""
    for axis in reversed(range(level.ndim)):
        letter = axes[axis]
        if letter in "YX" or level.ndim == 2:
            continue
        if level.shape[axis] == 1:
            level = level[(slice(None),) * axis + (0,)]
            axes = axes[:axis] + axes[axis + 1 :]
        elif letter in "ZT":
            what = "focal planes" if letter == "Z" else "time points"
            raise HaikuError(
                f"{path.name} has {level.shape[axis]} {what}: save the one to use as its own image."
            )
    if axes == "YX":
        return level[None], False
    if axes == "YXS":
        return level, True
    if axes == "SYX" and level.shape[0] in (3, 4):
        colour_last = np.moveaxis(level, 0, -1)
        lazy = isinstance(colour_last, da.Array)
        return colour_last.rechunk({2: -1}) if lazy else colour_last, True
    if level.ndim == 3 and axes.endswith("YX"):
        return level, False
    raise HaikuError(
        f"{path.name} has the axes {axes}, which are neither one colour image nor one plane per "
        "channel: save it as (channel, y, x) or RGB."
    )


def _tag_size(page: Any, name: str) -> float | None:
    """Return what the resolution tags say, where it can be about optics."""
    unit = _MM_PER_UNIT_UM.get(int(page.tags.valueof("ResolutionUnit", default=1) or 1))
    if unit is None:
        return None
    sizes = []
    for tag in ("XResolution", "YResolution"):
        value = page.tags.valueof(tag)
        if not value or not value[1] or not value[0]:
            return None
        sizes.append(size_from_resolution(value[0] / value[1], unit))
    if sizes[0] is None or sizes[1] is None:
        return None
    return square_pixel_size(sizes[0], sizes[1], name)


def _svs_size(description: str, name: str) -> float | None:
    found = re.search(r"\|\s*MPP\s*=\s*([^|]+)", description)
    if found is None:
        return None
    try:
        return checked_pixel_size(float(found[1].strip().replace(",", ".")), name)
    except ValueError:
        return None


def _qptiff_name(description: str) -> str:
    """Return the biomarker of one plane of an Akoya file, or else the name of its dye."""
    for tag in ("Biomarker", "Name"):
        found = re.search(rf"<{tag}>([^<]*)</{tag}>", description)
        if found and found[1].strip():
            return found[1].strip()
    return ""


def _imagej_labels(metadata: dict[str, Any]) -> list[str]:
    labels = metadata.get("Labels") or metadata.get("labels") or []
    return [str(label) for label in ([labels] if isinstance(labels, str) else labels)]


def _imagej_size(metadata: dict[str, Any], page: Any, name: str) -> float | None:
    factor = um_per_unit(str(metadata.get("unit", "")))
    if factor is None:
        return None
    sizes = []
    for tag in ("XResolution", "YResolution"):
        value = page.tags.valueof(tag)
        if not value or not value[1] or not value[0]:
            return None
        sizes.append(factor * value[1] / value[0])
    return square_pixel_size(sizes[0], sizes[1], name)
