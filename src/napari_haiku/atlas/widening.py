"""Half-precision vectors into float32: with torch where it is loaded, which is ten times faster."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

# So few numbers torch converts in the thread that asks.
_ALONE = 32_768

if TYPE_CHECKING:
    from numpy.typing import NDArray


def widen(vectors: NDArray[Any], *, shared: bool = True) -> NDArray[np.float32]:
    """Convert to float32; every float16 number has its equal there.

    Parameters
    ----------
    vectors : ndarray
        For example rows of a float16 memory map.
    shared : bool
        Whether all processors work on it; not so in a thread of many.
    """
    if vectors.dtype != np.float16 or "torch" not in sys.modules:
        return np.asarray(vectors, np.float32)
    import torch

    wide = np.empty(vectors.shape, np.float32)
    half = np.ascontiguousarray(vectors)
    if not half.size:
        return wide
    target, source = torch.from_numpy(wide).view(-1), torch.from_numpy(_borrowed(half)).view(-1)
    step = half.size if shared else _ALONE
    for start in range(0, half.size, step):
        target[start : start + step].copy_(source[start : start + step])
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
