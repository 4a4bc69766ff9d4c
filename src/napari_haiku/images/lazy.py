"""The typed border to dask: arrays read on demand."""

from __future__ import annotations

import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from dask.base import compute
from dask.local import get_sync
from dask.threaded import get

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_MOST_READERS = 16
_NAME = "haiku-read"


def lazy_array(source: Any, chunks: tuple[Any, ...] | str) -> da.Array:
    """Wrap anything with ``shape``, ``dtype`` and slicing; nothing is read yet."""
    # Left to itself, dask hashes the source for a name and reads from it for a type.
    meta = np.empty((0,) * len(source.shape), dtype=source.dtype)
    array: da.Array = da.from_array(source, chunks=chunks, name=False, meta=meta)
    return array


def read(array: da.Array) -> NDArray[Any]:
    """Read a lazy array into memory, here, whatever cluster the process also talks to."""
    pixels: NDArray[Any] = array.compute(**_how())
    return pixels


def read_together(arrays: Iterable[da.Array]) -> list[NDArray[Any]]:
    """Read several lazy arrays in one pass; see :func:`read`."""
    return list(compute(*arrays, **_how()))


def read_blocks(array: da.Array, blocks: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
    """Read whole blocks of a lazy array, each told by its place along every axis.

    As slicing and :func:`read_together` would, without an array of its own for
    every block: of small blocks those cost as much as decoding.
    """
    keys = [(array.name, *block) for block in blocks]
    graph = array.dask.cull(set(keys)).to_dict()
    if _is_reader():
        return list(get_sync(graph, keys))
    return list(get(graph, keys, pool=_readers()))


def read_apart(array: da.Array) -> NDArray[Any]:
    """Read as :func:`read` does, but with threads of its own that end with the call.

    For whoever holds a lock while it reads: the shared threads may all be
    waiting for that very lock.
    """
    with _new_readers() as pool:
        pixels: NDArray[Any] = array.compute(scheduler="threads", pool=pool)
    return pixels


@functools.cache
def _readers() -> ThreadPoolExecutor:
    # Dask would give every thread that reads a pool of its own and keep it as long as the thread:
    # a window with a few jobs under way would read with many more threads than there are cores.
    return _new_readers()


def _new_readers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_READERS), _NAME)


# A forked child has none of its parent's threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_readers.cache_clear)


def _is_reader() -> bool:
    # A source that reads in turn must not wait for the threads of which it holds one.
    return threading.current_thread().name.startswith(_NAME)


def _how() -> dict[str, Any]:
    if _is_reader():
        return {"scheduler": "synchronous"}
    return {"scheduler": "threads", "pool": _readers()}


def window(level: da.Array, rows: slice, columns: slice, *, colour_last: bool) -> da.Array:
    """Return part of a level laid out as (y, x, 3) or (c, y, x), still lazy."""
    part: da.Array = level[rows, columns] if colour_last else level[:, rows, columns]
    return part


def sides(level: da.Array, *, colour_last: bool) -> tuple[int, int]:
    """Return rows and columns of a level laid out as (y, x, 3) or (c, y, x)."""
    rows, columns = level.shape[:2] if colour_last else level.shape[-2:]
    return int(rows), int(columns)
