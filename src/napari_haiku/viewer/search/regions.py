"""Choosing patches by where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rows_inside(
    centres_um: NDArray[Any], region_um: tuple[float, float, float, float]
) -> NDArray[np.int64]:
    """Choose the patches whose centre lies in a rectangle.

    Parameters
    ----------
    centres_um : ndarray, shape (n, 2)
        Patch centres (x, y).
    region_um : tuple of float
        (x0, y0, x1, y1); the upper ends do not belong to it.
    """
    x0, y0, x1, y1 = region_um
    x, y = np.asarray(centres_um).T
    return np.flatnonzero((x >= x0) & (x < x1) & (y >= y0) & (y < y1))
