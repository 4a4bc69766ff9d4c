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


def rows_in_outline(centres_um: NDArray[Any], outline_um: NDArray[Any]) -> NDArray[np.int64]:
    """Choose the patches whose centre lies inside an outline.

    Parameters
    ----------
    centres_um : ndarray, shape (n, 2)
        Patch centres (x, y).
    outline_um : ndarray, shape (m, 2)
        Corners (x, y) in order; closed by itself.
    """
    from skimage.measure import points_in_poly

    inside = points_in_poly(np.asarray(centres_um, float), np.asarray(outline_um, float))
    return np.flatnonzero(inside)
