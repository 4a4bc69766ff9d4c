"""A level that is made block by block and kept in a temporary file."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import dask.array as da
    from numpy.typing import NDArray


class BlocksOnDisk:
    """Array-like whose blocks are computed at the first look and then read from disk.

    A giant image without a pyramid would otherwise be decoded again from its
    finest level at every look at a coarse one. The file is sparse, so that it
    takes the space of the blocks that were looked at, and goes with the object.
    Where the disk cannot take a block, the block is computed anew each time.

    Parameters
    ----------
    source : dask.array.Array
        What to keep; read along its own blocks.
    """

    def __init__(self, source: da.Array) -> None:
        self._source = source
        self.shape: tuple[int, ...] = source.shape
        self.dtype: np.dtype[Any] = np.dtype(source.dtype)
        self.ndim: int = source.ndim
        self._edges = tuple(np.concatenate([[0], np.cumsum(axis)]) for axis in source.chunks)
        self._numbers = np.arange(int(np.prod(source.numblocks))).reshape(source.numblocks)
        self._largest = int(np.prod([max(axis) for axis in source.chunks])) * self.dtype.itemsize
        self._kept: set[int] = set()
        self._lock = threading.Lock()
        self._file: Any = None

    def __getitem__(self, key: Any) -> NDArray[Any]:
        spans = [range(*part.indices(size)) for part, size in zip(key, self.shape, strict=True)]
        out = np.empty([len(span) for span in spans], self.dtype)
        if not out.size:
            return out
        touched = [
            range(
                int(np.searchsorted(edges, span.start, side="right")) - 1,
                int(np.searchsorted(edges, span.stop, side="left")),
            )
            for edges, span in zip(self._edges, spans, strict=True)
        ]
        for place in np.ndindex(*(len(t) for t in touched)):
            index = tuple(t[i] for t, i in zip(touched, place, strict=True))
            block = self._block(index)
            to, of = [], []
            for axis, at in enumerate(index):
                first, last = (int(self._edges[axis][at + step]) for step in (0, 1))
                low, high = max(first, spans[axis].start), min(last, spans[axis].stop)
                to.append(slice(low - spans[axis].start, high - spans[axis].start))
                of.append(slice(low - first, high - first))
            out[tuple(to)] = block[tuple(of)]
        return out

    def _block(self, index: tuple[int, ...]) -> NDArray[Any]:
        number = int(self._numbers[index])
        shape = tuple(int(np.diff(e)[i]) for e, i in zip(self._edges, index, strict=True))
        with self._lock:
            if number in self._kept:
                self._file.seek(number * self._largest)
                content = self._file.read(int(np.prod(shape)) * self.dtype.itemsize)
                return np.frombuffer(content, self.dtype).reshape(shape)
        # In this thread, for the scheduler's own are the ones that wait here.
        made: NDArray[Any] = np.ascontiguousarray(
            self._source.blocks[index].compute(scheduler="synchronous")
        )
        with self._lock:
            try:
                if self._file is None:
                    self._file = _temporary(self)
                self._file.seek(number * self._largest)
                self._file.write(made.tobytes())
                self._kept.add(number)
            except OSError:
                # A full disk costs time, not the answer.
                self._kept.discard(number)
        return made

    def __reduce__(self) -> tuple[type[BlocksOnDisk], tuple[da.Array]]:
        return BlocksOnDisk, (self._source,)


def _temporary(owner: object) -> Any:
    handle, name = tempfile.mkstemp(prefix="napari-haiku-", suffix=".level")
    file = os.fdopen(handle, "w+b", buffering=0)

    def gone() -> None:
        file.close()
        Path(name).unlink(missing_ok=True)

    weakref.finalize(owner, gone)
    return file
