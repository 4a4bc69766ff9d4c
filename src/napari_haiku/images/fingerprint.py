"""Recognise an image again by a sample of its pixels, never by hashing all of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from napari_haiku.images.lazy import read_together, sides, window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import dask.array as da
    from numpy.typing import NDArray

WINDOW = 128
GRID = 3
WHOLE_LEVEL_PIXELS = 2**21
# Below this many values a level is decoded at one go, which is faster than nine windows of it.
DECODED_AT_ONCE = 2**24


def fingerprint_pixels(
    levels: Sequence[da.Array],
    *,
    rgb: bool,
    whole: Sequence[Callable[[], NDArray[Any]]] = (),
) -> str:
    """Return a fingerprint of an image's pixels.

    It depends on the sizes, the type, the coarsest level and nine small windows
    of level 0; not on names, channel names, times, the file's format or its
    compression, so that a lossless copy or an open layer is recognised.

    Parameters
    ----------
    levels : sequence of dask.array.Array
        The pyramid as stored, finest first: (y, x, 3) or (c, y, x).
    rgb : bool
        Whether the last axis is colour.
    whole : sequence of callable, optional
        Per level what decodes it at one go, where the reader has such a way. It
        saves time and changes nothing.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    digest.update(
        repr([(tuple(map(int, level.shape)), str(level.dtype)) for level in levels]).encode()
    )
    for sample in _finest(levels[0], rgb, whole):
        digest.update(np.ascontiguousarray(sample).tobytes())
    rows, columns = sides(levels[-1], colour_last=rgb)
    if len(levels) > 1 and rows * columns <= WHOLE_LEVEL_PIXELS:
        coarsest = whole[-1]() if whole else read_together([levels[-1]])[0]
        digest.update(np.ascontiguousarray(coarsest).tobytes())
    return digest.hexdigest()


def _finest(
    level: da.Array, rgb: bool, whole: Sequence[Callable[[], NDArray[Any]]]
) -> list[NDArray[Any]]:
    """Read the nine windows of level 0."""
    places = _windows(level, rgb)
    if whole and level.size <= DECODED_AT_ONCE:
        pixels = whole[0]()
        return [pixels[place] if rgb else pixels[:, place[0], place[1]] for place in places]
    return read_together(window(level, rows, columns, colour_last=rgb) for rows, columns in places)


def _windows(level: da.Array, rgb: bool) -> list[tuple[slice, slice]]:
    rows, columns = sides(level, colour_last=rgb)

    def starts(size: int) -> list[int]:
        return sorted({int(s) for s in np.linspace(0, max(size - WINDOW, 0), GRID)})

    return [
        (slice(y, min(y + WINDOW, rows)), slice(x, min(x + WINDOW, columns)))
        for y in starts(rows)
        for x in starts(columns)
    ]


class Fingerprint:
    """The fingerprint of one image, computed when somebody first asks.

    Opening an image must stay cheap: a cohort of thousands is opened to read
    sizes and markers, long before any pixel matters.

    Parameters
    ----------
    levels, rgb, whole
        As for :func:`fingerprint_pixels`.
    """

    def __init__(
        self,
        levels: Sequence[da.Array],
        *,
        rgb: bool,
        whole: Sequence[Callable[[], NDArray[Any]]] = (),
    ) -> None:
        self._levels, self._rgb, self._whole = tuple(levels), rgb, tuple(whole)
        self._value = ""

    @property
    def value(self) -> str:
        """The 64 digits."""
        if not self._value:
            self._value = fingerprint_pixels(self._levels, rgb=self._rgb, whole=self._whole)
        return self._value


class FingerprintField:
    """A field of text that also takes a :class:`Fingerprint` and answers with its value."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._key = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> str: ...

    @overload
    def __get__(self, instance: object, owner: type) -> str: ...

    def __get__(self, instance: object | None, owner: type) -> str:
        if instance is None:
            # What dataclasses take as the default.
            return ""
        kept = vars(instance)[self._key]
        return kept.value if isinstance(kept, Fingerprint) else str(kept)

    def __set__(self, instance: object, value: str | Fingerprint) -> None:
        vars(instance)[self._key] = value
