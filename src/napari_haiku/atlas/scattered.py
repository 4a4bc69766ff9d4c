"""Read single rows of a large array on disk without mapping what lies around them."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_scattered(gallery: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Read rows of an array.

    A memory map brings in the pages around each row too, so that after many
    searches a process holds the whole file; reading takes the row and no more.

    Parameters
    ----------
    gallery : ndarray, shape (n, d)
        Any array; of a whole memory map, rows are read from its file.
    rows : ndarray of int64
        Which rows.
    """
    if not (_is_whole_file(gallery) and hasattr(os, "preadv")):
        picked: NDArray[Any] = gallery[rows]
        return picked
    width = gallery.shape[1] * gallery.itemsize
    read = bytearray(len(rows) * width)
    view = memoryview(read)
    with open(str(gallery.filename), "rb", buffering=0) as stream:
        handle = stream.fileno()
        for place, row in enumerate(rows.tolist()):
            begin = place * width
            got = os.preadv(handle, [view[begin : begin + width]], gallery.offset + row * width)
            if got != width:
                raise OSError(f"{gallery.filename} is shorter than it was")
    return np.frombuffer(read, gallery.dtype).reshape(len(rows), -1)


def _is_whole_file(gallery: NDArray[Any]) -> TypeGuard[np.memmap[Any, Any]]:
    """Whether an array is a memory map of all of a file, not a part of one."""
    mapped = isinstance(gallery, np.memmap) and isinstance(gallery.base, mmap.mmap)
    return mapped and gallery.flags.c_contiguous
