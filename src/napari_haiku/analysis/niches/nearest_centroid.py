"""Sorting vectors by the nearest of a few centroids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_ROWS_AT_ONCE = 65_536


def niche_centroids(
    vectors: NDArray[Any], niches: NDArray[np.int64], niche_numbers: Sequence[int]
) -> NDArray[np.float32]:
    """Mean vector of the patches of each niche, shape (niches, dim)."""
    return np.stack(
        [np.asarray(vectors[niches == number], np.float32).mean(axis=0) for number in niche_numbers]
    )


def assign_to_nearest(vectors: NDArray[Any], centroids: NDArray[np.float32]) -> NDArray[np.int64]:
    """Place of the nearest centroid of each vector; -1 for a vector of zeros or NaN."""
    places = np.full(len(vectors), -1, np.int64)
    half_squares = 0.5 * (centroids**2).sum(axis=1)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        block = np.asarray(vectors[start : start + _ROWS_AT_ONCE], np.float32)
        there = np.isfinite(block).all(axis=1) & (block != 0).any(axis=1)
        nearest = np.argmax(np.nan_to_num(block) @ centroids.T - half_squares, axis=1)
        places[start : start + len(block)] = np.where(there, nearest, -1)
    return places
