"""Coarser levels for images that were stored without them, made on demand."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

from napari_haiku.images.disk_blocks import BlocksOnDisk
from napari_haiku.images.lazy import lazy_array, read_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LARGEST_OVERVIEW_SIDE = 2048
KEPT_BYTES = 2**26


def with_coarser_levels(levels: Sequence[da.Array], *, rgb: bool) -> tuple[da.Array, ...]:
    """Return a pyramid whose coarsest level is an overview.

    Each added level is the mean over 2 x 2 pixels of the one before, computed
    block by block when asked for. Those that fit in 64 MiB are kept once made,
    the blocks of larger ones in a temporary file.

    Parameters
    ----------
    levels : sequence of dask.array.Array
        As stored, finest first: (y, x, 3) or (c, y, x).
    rgb : bool
        Whether the last axis is colour.
    """
    pyramid = list(levels)
    axes = (0, 1) if rgb else (1, 2)
    while max(pyramid[-1].shape[axis] for axis in axes) > LARGEST_OVERVIEW_SIDE:
        coarser = _halved(pyramid[-1], axes)
        if coarser.nbytes <= KEPT_BYTES:
            coarser = lazy_array(_KeptOnceMade(coarser), coarser.chunks)
        else:
            coarser = lazy_array(BlocksOnDisk(coarser), coarser.chunks)
        pyramid.append(coarser)
    return tuple(pyramid)


def _halved(level: da.Array, axes: tuple[int, int]) -> da.Array:
    even = tuple(
        slice(0, size - size % 2 if axis in axes else size) for axis, size in enumerate(level.shape)
    )
    trimmed = level[even]
    # Blocks with an odd side would not halve.
    trimmed = trimmed.rechunk({axis: _even_chunk(trimmed.chunks[axis]) for axis in axes})
    chunks = tuple(
        tuple(side // 2 for side in sides) if axis in axes else sides
        for axis, sides in enumerate(trimmed.chunks)
    )
    halved: da.Array = da.map_blocks(
        _mean_of_four, trimmed, axes[0], chunks=chunks, dtype=level.dtype
    )
    return halved


def _even_chunk(sizes: tuple[int, ...]) -> int:
    largest = max(max(sizes), 512)
    return largest + largest % 2


def _mean_of_four(block: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return the mean over 2 x 2 pixels along `axis` and the next one."""
    shape = block.shape
    paired = block.reshape(
        *shape[:axis], shape[axis] // 2, 2, shape[axis + 1] // 2, 2, *shape[axis + 2 :]
    )
    precise = np.float32 if block.dtype.itemsize <= 2 else np.float64
    mean: NDArray[Any] = paired.mean(axis=(axis + 1, axis + 3), dtype=precise)
    if block.dtype.kind in "ui":
        mean = np.rint(mean)
    return mean.astype(block.dtype)


class _KeptOnceMade:
    """An array that is computed at the first look and kept."""

    def __init__(self, source: da.Array) -> None:
        self._source = source
        self._made: NDArray[Any] | None = None
        self._lock = threading.Lock()
        self.shape: tuple[int, ...] = source.shape
        self.dtype = source.dtype
        self.ndim: int = source.ndim

    def __getitem__(self, key: Any) -> NDArray[Any]:
        with self._lock:
            if self._made is None:
                self._made = np.asarray(read_apart(self._source))
            made = self._made
        part: NDArray[Any] = made[key]
        return part

    def __reduce__(self) -> tuple[type[_KeptOnceMade], tuple[da.Array]]:
        return _KeptOnceMade, (self._source,)
