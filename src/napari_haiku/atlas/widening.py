"""Half-precision vectors into float32: with torch where it is loaded, which is ten times faster."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def widen(vectors: NDArray[Any], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Convert to float32; every float16 number has its equal there.

    Parameters
    ----------
    vectors : ndarray
        For example rows of a float16 memory map.
    out : ndarray of float32, optional
        Where to put them; asking the system for new memory each time costs more
        than converting.
    """
    if vectors.dtype != np.float16 or "torch" not in sys.modules:
        if out is None:
            return np.asarray(vectors, np.float32)
        out[:] = vectors
        return out
    import torch

    wide = np.empty(vectors.shape, np.float32) if out is None else out
    half = np.ascontiguousarray(vectors)
    if half.size:
        torch.from_numpy(wide).copy_(torch.from_numpy(_borrowed(half)))
    return wide


def _borrowed(vectors: NDArray[np.float16]) -> NDArray[np.float16]:
    """Look at the same numbers through an array that torch takes.

    It takes none that may not be written, such as a memory map that is only
    read; nothing is written here. The original must outlive the view.
    """
    if vectors.flags.writeable:
        return vectors
    memory = (ctypes.c_char * vectors.nbytes).from_address(vectors.ctypes.data)
    view: NDArray[np.float16] = np.ctypeslib.as_array(memory).view(np.float16)
    return view.reshape(vectors.shape)
