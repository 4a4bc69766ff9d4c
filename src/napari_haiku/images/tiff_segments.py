"""Regions of a TIFF level decoded straight from its tiles or strips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tifffile
    from numpy.typing import NDArray


class TiffSegments:
    """Array-like over one level that decodes just the tiles or strips a region touches.

    A general chunk store costs several times what decoding a JPEG tile does.

    Parameters
    ----------
    pages : sequence of TiffPage or TiffFrame
        One plane each, all alike, of a file whose handle has a lock.
    shape : tuple of int
        (y, x), (y, x, samples) or (plane, y, x).
    dtype : dtype
        Of the pixels given out.
    """

    def __init__(self, pages: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._pages, self.shape, self.dtype = pages, shape, dtype
        keyframe = pages[0].keyframe
        self._decode = keyframe.decode
        self._stacked = len(shape) > keyframe.ndim
        self._segment = tuple(int(side) for side in keyframe.chunks[:2])
        self._across = -(-keyframe.imagewidth // self._segment[1])

    @classmethod
    def of(cls, tiff: tifffile.TiffFile, level: Any, dtype: np.dtype[Any]) -> TiffSegments | None:
        """Return the segments of a level, or None where its layout is another one."""
        pages, keyframe = list(level.pages), level.keyframe
        shape = tuple(int(side) for side in level.shape)
        plain = (
            not tiff.is_ndpi
            and keyframe.imagedepth == 1
            and (keyframe.samplesperpixel == 1 or keyframe.planarconfig == 1)
            and all(page is not None and page.parent is tiff for page in pages)
            and len(keyframe.chunks) == keyframe.ndim
        )
        one = len(pages) == 1 and shape == keyframe.shape
        stack = keyframe.ndim == 2 and shape == (len(pages), *keyframe.shape)
        if not plain or not (one or stack):
            return None
        tiff.filehandle.set_lock(True)
        return cls(pages, shape, dtype)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        keys = list(key) if isinstance(key, tuple) else [key]
        keys += [slice(None)] * (len(self.shape) - len(keys))
        at = 1 if self._stacked else 0
        (rows, pick_rows), (columns, pick_columns) = (
            _run(keys[at + i], self.shape[at + i]) for i in (0, 1)
        )
        if not self._stacked:
            pixels = self._plane(self._pages[0], rows, columns)
            picked: NDArray[Any] = pixels[pick_rows, pick_columns, *keys[2:]]
            return picked
        chosen = np.arange(self.shape[0])[keys[0]]
        planes = [
            self._plane(self._pages[i], rows, columns)[pick_rows, pick_columns]
            for i in np.atleast_1d(chosen)
        ]
        if not planes:
            empty = np.empty((0, rows[1] - rows[0], columns[1] - columns[0]), self.dtype)
            return empty[:, pick_rows, pick_columns]
        return np.stack(planes) if chosen.ndim else planes[0]

    def _plane(self, page: Any, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[Any]:
        samples = self.shape[2:] if not self._stacked else ()
        out = np.empty((rows[1] - rows[0], columns[1] - columns[0], *samples), self.dtype)
        if out.size == 0:
            return out
        (first, last), (left, right) = (
            (start // side, (stop - 1) // side)
            for (start, stop), side in zip((rows, columns), self._segment, strict=True)
        )
        wanted = [
            row * self._across + column
            for row in range(first, last + 1)
            for column in range(left, right + 1)
        ]
        stored = page.parent.filehandle.read_segments(
            [page.dataoffsets[i] for i in wanted],
            [page.databytecounts[i] for i in wanted],
            indices=wanted,
        )
        for data, index in stored:
            segment, (_, _, y, x, _), _ = self._decode(data, index, jpegtables=page.jpegtables)
            # A segment that was never written is background.
            if segment is None:
                out[_within(rows, y, self._segment[0]), _within(columns, x, self._segment[1])] = (
                    page.keyframe.nodata
                )
                continue
            segment = segment[0] if samples else segment[0, ..., 0]
            if (*out.shape[:2], y, x) == (*segment.shape[:2], rows[0], columns[0]):
                # Asked for exactly one: nothing to put together.
                return np.asarray(segment, self.dtype)
            height, width = segment.shape[:2]
            y0, y1 = max(rows[0], y), min(rows[1], y + height)
            x0, x1 = max(columns[0], x), min(columns[1], x + width)
            out[y0 - rows[0] : y1 - rows[0], x0 - columns[0] : x1 - columns[0]] = segment[
                y0 - y : y1 - y, x0 - x : x1 - x
            ]
        return out


def _within(span: tuple[int, int], start: int, length: int) -> slice:
    return slice(max(start, span[0]) - span[0], min(start + length, span[1]) - span[0])


def _run(key: Any, size: int) -> tuple[tuple[int, int], Any]:
    """Return the run of rows or columns that holds what a key selects, and the key within it."""
    chosen = np.arange(size)[key]
    if chosen.size == 0:
        return (0, 0), slice(0)
    first, last = int(chosen.min()), int(chosen.max())
    if isinstance(key, slice):
        return (first, last + 1), slice(None, None, key.step)
    return (first, last + 1), chosen - first
