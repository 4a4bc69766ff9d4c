"""Recognise an image again by a sample of its pixels, never by hashing all of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.images.lazy import read_together, sides, window

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dask.array as da

WINDOW = 128
GRID = 3
WHOLE_LEVEL_PIXELS = 2**21


def fingerprint_pixels(levels: Sequence[da.Array], *, rgb: bool) -> str:
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

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    digest.update(
        repr([(tuple(map(int, level.shape)), str(level.dtype)) for level in levels]).encode()
    )
    samples = [
        window(levels[0], rows, columns, colour_last=rgb)
        for rows, columns in _windows(levels[0], rgb)
    ]
    coarsest = levels[-1]
    rows, columns = sides(coarsest, colour_last=rgb)
    if len(levels) > 1 and rows * columns <= WHOLE_LEVEL_PIXELS:
        samples.append(coarsest)
    for sample in read_together(samples):
        digest.update(np.ascontiguousarray(sample).tobytes())
    return digest.hexdigest()


def _windows(level: da.Array, rgb: bool) -> list[tuple[slice, slice]]:
    rows, columns = sides(level, colour_last=rgb)

    def starts(size: int) -> list[int]:
        return sorted({int(s) for s in np.linspace(0, max(size - WINDOW, 0), GRID)})

    return [
        (slice(y, min(y + WINDOW, rows)), slice(x, min(x + WINDOW, columns)))
        for y in starts(rows)
        for x in starts(columns)
    ]
