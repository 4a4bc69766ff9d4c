"""Otsu's threshold, of values that may all be alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skimage.filters import threshold_otsu

if TYPE_CHECKING:
    from numpy.typing import NDArray


def otsu(values: NDArray[Any]) -> float:
    """Return the value that parts two heaps best; of one value, the value; of none, 0."""
    if values.size == 0 or float(values.min()) == float(values.max()):
        return float(values.flat[0]) if values.size else 0.0
    return float(threshold_otsu(values))
