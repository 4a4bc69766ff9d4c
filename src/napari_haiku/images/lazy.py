"""The typed border to dask: arrays read on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from dask.base import compute

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def lazy_array(source: Any, chunks: tuple[Any, ...] | str) -> da.Array:
    """Wrap anything with ``shape``, ``dtype`` and slicing; nothing is read yet."""
    # Left to itself, dask hashes the source for a name and reads from it for a type.
    meta = np.empty((0,) * len(source.shape), dtype=source.dtype)
    array: da.Array = da.from_array(source, chunks=chunks, name=False, meta=meta)
    return array


def read(array: da.Array) -> NDArray[Any]:
    """Read a lazy array into memory, here, whatever cluster the process also talks to."""
    pixels: NDArray[Any] = array.compute(scheduler="threads")
    return pixels


def read_together(arrays: Iterable[da.Array]) -> list[NDArray[Any]]:
    """Read several lazy arrays in one pass; see :func:`read`."""
    return list(compute(*arrays, scheduler="threads"))


def window(level: da.Array, rows: slice, columns: slice, *, colour_last: bool) -> da.Array:
    """Return part of a level laid out as (y, x, 3) or (c, y, x), still lazy."""
    part: da.Array = level[rows, columns] if colour_last else level[:, rows, columns]
    return part


def sides(level: da.Array, *, colour_last: bool) -> tuple[int, int]:
    """Return rows and columns of a level laid out as (y, x, 3) or (c, y, x)."""
    rows, columns = level.shape[:2] if colour_last else level.shape[-2:]
    return int(rows), int(columns)
