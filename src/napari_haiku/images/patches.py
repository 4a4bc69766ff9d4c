"""Cut patches out of a lazy image, each stored block decoded once."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.images.lazy import read_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dask.array as da
    from numpy.typing import NDArray

    from napari_haiku.images.grid import PatchGrid
    from napari_haiku.images.slide_image import SlideImage

CACHE_BYTES = 2**29


class PatchSource:
    """Patches of one image on one grid, read in the grid's order.

    Blocks of the stored image are kept until newer ones push them out, so that
    reading the grid from start to end decodes each block once as long as one
    row of blocks fits in the cache.

    Parameters
    ----------
    image : SlideImage
        Where the pixels are.
    grid : PatchGrid
        Which squares.
    target_pixel_size_um : float
        Pixel size the reader works at: the coarsest level is read that is at
        least as fine. Pixels are not resampled.
    cache_bytes : int, default 512 MiB
        How much decoded image to keep.
    """

    def __init__(
        self,
        image: SlideImage,
        grid: PatchGrid,
        target_pixel_size_um: float,
        *,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.image, self.grid = image, grid
        self.level = image.level_for(target_pixel_size_um)
        self.pixel_size_um = image.level_pixel_size_um(self.level)
        rows, columns = image.level_shape(self.level)
        self.side = min(max(round(grid.patch_um / self.pixel_size_um), 1), rows, columns)
        starts = (grid.corners_um - np.asarray(image.origin_um)) / self.pixel_size_um
        # Rounding may push the last patch one pixel over the edge.
        limits = np.array([columns, rows]) - self.side
        self._starts: NDArray[np.int64] = np.clip(np.rint(starts).astype(np.int64), 0, limits)
        self._blocks = _BlockCache(image.levels[self.level], image.modality == "he", cache_bytes)

    def __len__(self) -> int:
        return len(self.grid)

    @property
    def starts_px(self) -> NDArray[np.int64]:
        """(n, 2) x, y of the first pixel of each patch on the level that is read."""
        return self._starts

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read the patches [start, stop).

        Returns
        -------
        numpy.ndarray
            (n, h, w, 3) for H&E, (n, c, h, w) for mIF, all channels, in the
            image's type, NaN where the file has NaN.
        """
        return self.take(range(*slice(start, stop).indices(len(self))))

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[Any]:
        """Read any patches, in the order asked for; see :meth:`read`."""
        chosen = self._starts[np.asarray(indices, dtype=np.int64)]
        rgb = self.image.modality == "he"
        channels = self.image.levels[self.level].shape[2 if rgb else 0]
        side = self.side
        shape = (side, side, channels) if rgb else (channels, side, side)
        patches = np.empty((len(chosen), *shape), dtype=self.image.dtype)
        for patch, (x, y) in zip(patches, chosen, strict=True):
            self._blocks.prefetch(chosen, side, (int(x), int(y)))
            self._blocks.copy_into(patch, int(x), int(y), side)
        return patches


def read_patches(
    image: SlideImage,
    grid: PatchGrid,
    indices: Sequence[int] | NDArray[np.int64],
    *,
    target_pixel_size_um: float | None = None,
) -> tuple[NDArray[Any], float]:
    """Read some patches at once.

    Parameters
    ----------
    image : SlideImage
        Where the pixels are.
    grid : PatchGrid
        Which squares.
    indices : sequence of int
        Which patches of the grid.
    target_pixel_size_um : float, optional
        See :class:`PatchSource`; level 0 when left out.

    Returns
    -------
    patches : numpy.ndarray
        (n, h, w, 3) or (n, c, h, w).
    pixel_size_um : float
        Side of their pixels.
    """
    target = image.known_pixel_size_um if target_pixel_size_um is None else target_pixel_size_um
    source = PatchSource(image, grid, target)
    return source.take(indices), source.pixel_size_um


class _BlockCache:
    """Decoded blocks of one level, oldest out first."""

    def __init__(self, level: da.Array, rgb: bool, limit_bytes: int) -> None:
        self._level, self._rgb, self._limit = level, rgb, limit_bytes
        self._axes = (0, 1) if rgb else (1, 2)
        self._edges = tuple(
            np.concatenate([[0], np.cumsum(level.chunks[axis])]) for axis in self._axes
        )
        self._kept: OrderedDict[tuple[int, int], NDArray[Any]] = OrderedDict()
        self._bytes = 0

    def prefetch(self, starts: NDArray[np.int64], side: int, wanted: tuple[int, int]) -> None:
        """Decode together what the patches from `wanted` on need, as far as it fits."""
        if all(key in self._kept for key in self._touching(*wanted, side)):
            return
        missing: dict[tuple[int, int], None] = {}
        room = self._limit
        for x, y in starts[self._index_of(starts, wanted) :]:
            keys = [k for k in self._touching(int(x), int(y), side) if k not in self._kept]
            room -= sum(self._size_of(key) for key in keys if key not in missing)
            if room < 0 and missing:
                break
            missing.update(dict.fromkeys(keys))
        decoded = self._decoded(list(missing))
        needed = {*missing, *self._touching(*wanted, side)}
        for key, block in zip(missing, decoded, strict=True):
            self._kept[key] = block
            self._bytes += block.nbytes
        for key in [key for key in self._kept if key not in needed]:
            if self._bytes <= self._limit:
                break
            self._bytes -= self._kept.pop(key).nbytes

    def copy_into(self, patch: NDArray[Any], x: int, y: int, side: int) -> None:
        """Fill one patch from the blocks it touches."""
        for key in self._touching(x, y, side):
            self._kept.move_to_end(key)
            block = self._kept[key]
            top, left = (int(self._edges[i][key[i]]) for i in (0, 1))
            height, width = (block.shape[axis] for axis in self._axes)
            y0, y1 = max(y, top), min(y + side, top + height)
            x0, x1 = max(x, left), min(x + side, left + width)
            to = (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))
            of = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
            if self._rgb:
                patch[to] = block[of]
            else:
                patch[(slice(None), *to)] = block[(slice(None), *of)]

    @staticmethod
    def _index_of(starts: NDArray[np.int64], wanted: tuple[int, int]) -> int:
        return int(np.flatnonzero((starts == wanted).all(axis=1))[0])

    def _touching(self, x: int, y: int, side: int) -> list[tuple[int, int]]:
        spans = []
        for edges, start in zip(self._edges, (y, x), strict=True):
            first = int(np.searchsorted(edges, start, side="right")) - 1
            last = int(np.searchsorted(edges, start + side, side="left")) - 1
            spans.append(range(first, last + 1))
        return [(row, column) for row in spans[0] for column in spans[1]]

    def _size_of(self, key: tuple[int, int]) -> int:
        height, width = (int(self._edges[i][key[i] + 1] - self._edges[i][key[i]]) for i in (0, 1))
        depth = self._level.shape[2 if self._rgb else 0]
        return int(height * width * depth * self._level.dtype.itemsize)

    def _decoded(self, keys: list[tuple[int, int]]) -> list[NDArray[Any]]:
        other = 2 if self._rgb else 0
        layers = range(len(self._level.chunks[other]))
        found = read_blocks(
            self._level,
            [(*key, i) if self._rgb else (i, *key) for key in keys for i in layers],
        )
        if len(layers) == 1:
            return found
        each = len(layers)
        return [np.concatenate(found[i : i + each], axis=other) for i in range(0, len(found), each)]
