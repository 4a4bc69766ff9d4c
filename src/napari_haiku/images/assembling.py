"""From levels and what a file says about them to a checked slide image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.images.fingerprint import Fingerprint
from napari_haiku.images.lazy import read, read_together
from napari_haiku.images.pixel_size import checked_pixel_size
from napari_haiku.images.pyramid import with_coarser_levels
from napari_haiku.images.slide_image import (
    Modality,
    SlideImage,
    is_unnamed,
    marker_of,
    naming_notes,
)
from napari_haiku.markers import resolve_panel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SAMPLED_VALUES = 2**26
SCANNED_PIXELS = 2**28
MOST_CHANNELS = 1024
_COLOUR_NAMES = {("r", "g", "b"), ("red", "green", "blue")}


@dataclass
class RawImage:
    """What a reader found, before it is known to be H&E or mIF.

    Parameters
    ----------
    name : str
        What to call the image.
    levels : list of dask.array.Array
        Finest first: (y, x, samples) if `rgb`, else (c, y, x).
    rgb : bool
        Whether the last axis is colour.
    pixel_size_um : float or None
        Side of a pixel of level 0, um.
    origin_um : tuple of float
        (x, y) of the top-left corner, um.
    channel_names : list of str
        As the file has them; empty where it has none.
    path : Path or None
        Where it was read from.
    notes : list of str
        What was decided so far.
    whole : list of callable
        Per level what decodes it at one go, laid out like the level; empty where
        the reader has no faster way than the levels themselves.
    """

    name: str
    levels: list[da.Array]
    rgb: bool
    pixel_size_um: float | None = None
    origin_um: tuple[float, float] = (0.0, 0.0)
    channel_names: list[str] = field(default_factory=list)
    path: Path | None = None
    notes: list[str] = field(default_factory=list)
    whole: list[Callable[[], NDArray[Any]]] = field(default_factory=list)


def assemble(
    raw: RawImage,
    *,
    modality: Modality | None = None,
    pixel_size_um: float | None = None,
    markers: Sequence[str] | None = None,
) -> SlideImage:
    """Check a raw image and give it its modality, markers and fingerprint.

    Parameters
    ----------
    raw : RawImage
        What the reader found.
    modality : {"he", "mif"}, optional
        What it shows; told from colour when left out.
    pixel_size_um : float, optional
        Overrides what the file says, um.
    markers : sequence of str, optional
        Overrides the file's channel names.

    Raises
    ------
    HaikuError
        The image is empty, of a type or shape that cannot be used, or does not
        fit the modality or the number of names asked for.
    """
    _check_sides(raw)
    if not raw.rgb and modality != "mif" and _is_colour_in_planes(raw, modality):
        raw.levels = [da.moveaxis(level, 0, -1) for level in raw.levels]
        raw.levels = [level.rechunk({2: -1}) for level in raw.levels]
        raw.rgb, raw.channel_names, raw.whole = True, [], []
    if modality == "he" and not raw.rgb:
        raise HaikuError(
            f"{raw.name} is not a colour image, so it cannot be the H&E: give an RGB image, "
            "or give this one as the mIF."
        )
    if modality == "mif" and raw.rgb:
        raise HaikuError(
            f"{raw.name} is a colour image, so it cannot be the mIF: give one channel per marker, "
            "or give this one as the H&E."
        )
    size = (
        raw.pixel_size_um if pixel_size_um is None else checked_pixel_size(pixel_size_um, raw.name)
    )
    return _colour(raw, size) if raw.rgb else _channels(raw, size, markers)


def _check_sides(raw: RawImage) -> None:
    if not raw.levels or any(side == 0 for level in raw.levels for side in level.shape):
        raise HaikuError(f"{raw.name} holds no pixels: give another image.")
    depth = 2 if raw.rgb else 0
    if raw.levels[0].ndim == 3 and raw.levels[0].shape[depth] > MOST_CHANNELS:
        raise HaikuError(
            f"{raw.name} has {raw.levels[0].shape[depth]} channels, more than any marker panel: "
            "check the order of its axes, or save the channels that are markers."
        )
    for level in raw.levels:
        if level.ndim != 3:
            raise HaikuError(
                f"{raw.name} has {level.ndim} axes where y, x and one of colour or channels are "
                "expected: give a single plane in time and depth."
            )
        if level.shape[depth] != raw.levels[0].shape[depth]:
            raise HaikuError(
                f"{raw.name} has {raw.levels[0].shape[depth]} channels on one level of its pyramid "
                f"and {level.shape[depth]} on another: export it again."
            )
    if raw.levels[0].dtype.kind not in "uif" or raw.levels[0].dtype.itemsize > 8:
        raise HaikuError(
            f"{raw.name} stores {raw.levels[0].dtype} values, which are no intensities: save it as "
            "8-bit or 16-bit integers or as floats."
        )


def _is_colour_in_planes(raw: RawImage, modality: Modality | None) -> bool:
    """Tell whether three planes are red, green and blue: by name, or unnamed and bright."""
    level = raw.levels[-1]
    if level.shape[0] != 3 or level.dtype != np.uint8:
        return False
    if tuple(name.strip().casefold() for name in raw.channel_names) in _COLOUR_NAMES:
        return True
    if not all(is_unnamed(name) for name in raw.channel_names):
        return False
    step = max(1, max(level.shape[1:]) // 512)
    return modality == "he" or bool(np.median(read(level[:, ::step, ::step])) > 100)


def _colour(raw: RawImage, size: float | None) -> SlideImage:
    notes = list(raw.notes)
    levels = raw.levels
    samples = levels[0].shape[2]
    whole = raw.whole if samples == 3 and levels[0].dtype == np.uint8 else []
    if samples == 4:
        levels = [level[..., :3] for level in levels]
        notes.append("The alpha channel is left out.")
    elif samples != 3:
        raise HaikuError(
            f"{raw.name} has {samples} colour samples per pixel: save it as RGB, or as one channel "
            "per marker."
        )
    if levels[0].dtype == np.uint16:
        levels = [(level >> 8).astype(np.uint8) for level in levels]
        notes.append("The 16-bit colours are scaled to 8 bits.")
    elif levels[0].dtype != np.uint8:
        raise HaikuError(
            f"{raw.name} stores colours as {levels[0].dtype}: save it with 8 bits per colour."
        )
    return SlideImage(
        name=raw.name,
        modality="he",
        levels=with_coarser_levels(levels, rgb=True),
        pixel_size_um=size,
        origin_um=raw.origin_um,
        fingerprint=Fingerprint(levels, rgb=True, whole=whole),
        path=raw.path,
        notes=tuple(notes),
    )


def _channels(raw: RawImage, size: float | None, markers: Sequence[str] | None) -> SlideImage:
    count = int(raw.levels[0].shape[0])
    notes = list(raw.notes)
    if markers is not None and len(markers) != count:
        raise HaikuError(
            f"{raw.name} has {count} channels but {len(markers)} marker names were given: give one "
            "name per channel."
        )
    given = list(markers) if markers is not None else raw.channel_names[:count]
    given += [""] * (count - len(given))
    names = [
        f"Channel {i}" if is_unnamed(name) else name.strip() for i, name in enumerate(given, 1)
    ]
    matches = resolve_panel(names)
    notes.extend(naming_notes(matches))
    empty, remarks = _signal(raw.levels, names, raw.whole)
    notes.extend(remarks)
    return SlideImage(
        name=raw.name,
        modality="mif",
        levels=with_coarser_levels(raw.levels, rgb=False),
        pixel_size_um=size,
        origin_um=raw.origin_um,
        channel_names=tuple(names),
        markers=tuple(None if i in empty else marker_of(m) for i, m in enumerate(matches)),
        fingerprint=Fingerprint(raw.levels, rgb=False, whole=raw.whole),
        path=raw.path,
        notes=tuple(notes),
        empty_channels=tuple(sorted(empty)),
    )


def _signal(
    levels: Sequence[da.Array],
    names: Sequence[str],
    whole: Sequence[Callable[[], NDArray[Any]]],
) -> tuple[set[int], list[str]]:
    """Find channels that are zero everywhere or hold NaN, on the coarsest level if it will do."""
    if whole and levels[-1].size <= SAMPLED_VALUES:
        samples, complete = [whole[-1]()], True
    else:
        samples, complete = _sample(levels[-1])
    missing, lit = _share_of_nan(samples), _any_signal(samples)
    empty: set[int] = set()
    notes: list[str] = []
    for channel, name in enumerate(names):
        if missing[channel] == 1 and complete:
            empty.add(channel)
            notes.append(f"{name} is NaN everywhere; left out.")
            continue
        if missing[channel] > 0:
            notes.append(f"{name} contains NaN; patches that touch them count as not measured.")
        if not lit[channel] and _dark_everywhere(levels[0][channel]):
            empty.add(channel)
            notes.append(f"{name} is zero everywhere; left out.")
    return empty, notes


def _sample(level: da.Array) -> tuple[list[NDArray[Any]], bool]:
    """Read a level, or windows of one that is too large, and tell whether that is all of it."""
    rows, columns = (int(size) for size in level.shape[1:])
    if level.size <= SAMPLED_VALUES:
        return [read(level)], True
    side = 256
    windows = [
        level[:, y : y + side, x : x + side]
        for y in np.linspace(0, max(rows - side, 0), 3).astype(int)
        for x in np.linspace(0, max(columns - side, 0), 3).astype(int)
    ]
    return read_together(windows), False


def _share_of_nan(samples: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    shares = [
        np.isnan(sample).mean(axis=(1, 2)) if sample.dtype.kind == "f" else np.zeros(len(sample))
        for sample in samples
    ]
    mean: NDArray[np.float64] = np.mean(shares, axis=0)
    return mean


def _any_signal(samples: Sequence[NDArray[Any]]) -> NDArray[np.bool_]:
    lit = [((sample != 0) & (sample == sample)).any(axis=(1, 2)) for sample in samples]
    found: NDArray[np.bool_] = np.any(lit, axis=0)
    return found


def _dark_everywhere(plane: da.Array) -> bool:
    """Make sure, block by block, that a channel which looks dark on a coarse level is.

    A plane too large to scan counts as lit: a channel is only left out when
    that is certain.
    """
    if plane.size > SCANNED_PIXELS:
        return False
    return not bool(read(((plane != 0) & (plane == plane)).any()))
