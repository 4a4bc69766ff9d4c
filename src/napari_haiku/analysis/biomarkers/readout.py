"""Marker means over neighbours that count equally, as the counterfactual reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_PATCHES_AT_ONCE = 1024


def mean_of_neighbours(expression: NDArray[Any], neighbours: NDArray[Any]) -> NDArray[np.float64]:
    """Average the marker values of each patch's neighbours that measured the marker.

    Parameters
    ----------
    expression : ndarray, shape (atlas rows, markers)
        Marker values, NaN where not measured; may be memory-mapped.
    neighbours : ndarray of int, shape (n, k)
        Atlas rows, -1 for none.

    Returns
    -------
    ndarray of float64, shape (n, markers)
        NaN where no neighbour measured the marker.
    """
    mean = np.full((len(neighbours), expression.shape[1]), np.nan)
    for start in range(0, len(neighbours), _PATCHES_AT_ONCE):
        rows = neighbours[start : start + _PATCHES_AT_ONCE]
        values = np.asarray(expression[rows.ravel()], np.float64).reshape(*rows.shape, -1)
        known = np.isfinite(values) & (rows >= 0)[:, :, None]
        count = known.sum(axis=1)
        total = np.where(known, values, 0).sum(axis=1)
        mean[start : start + len(rows)] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def niche_means(
    values: NDArray[Any], niches: NDArray[np.int64], niche_numbers: Sequence[int], least: int = 1
) -> NDArray[np.float64]:
    """Average patch values within each niche.

    Parameters
    ----------
    values : ndarray, shape (n, markers)
        One value a patch and marker, NaN where there is none.
    niches : ndarray of int64, shape (n,)
        Niche of each patch.
    niche_numbers : sequence of int
        Niches in the order of the result.
    least : int
        Patches that a mean needs.

    Returns
    -------
    ndarray of float64, shape (niches, markers)
        NaN where fewer than `least` patches have a value.
    """
    means = np.full((len(niche_numbers), values.shape[1]), np.nan)
    for place, number in enumerate(niche_numbers):
        here = np.asarray(values[niches == number], np.float64)
        known = np.isfinite(here)
        count = known.sum(axis=0)
        total = np.where(known, here, 0).sum(axis=0)
        means[place] = np.where(count >= least, total / np.maximum(count, 1), np.nan)
    return means
