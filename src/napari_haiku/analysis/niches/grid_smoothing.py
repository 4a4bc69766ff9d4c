"""Letting each patch listen to the patches around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Diagonal neighbours are 1.41 steps away, the next ones 2.
_REACH = 1.5


def step_between(centres_um: NDArray[Any]) -> float:
    """Step of the grid that patch centres lie on: the median distance to the nearest."""
    if len(centres_um) < 2:
        return 1.0
    distance, _ = cKDTree(centres_um).query(centres_um, k=2)
    return float(np.median(distance[:, 1]))


def grid_pairs(centres_um: NDArray[Any], step_um: float) -> NDArray[np.int64]:
    """Pairs of patches among each other's eight grid neighbours, each once, shape (pairs, 2)."""
    pairs: NDArray[np.int64] = cKDTree(centres_um).query_pairs(
        _REACH * step_um, output_type="ndarray"
    )
    return pairs


def smooth_over_neighbours(
    vectors: NDArray[Any], centres_um: NDArray[Any], step_um: float
) -> NDArray[np.float32]:
    """Average each patch's vector with those of its up to eight grid neighbours.

    Parameters
    ----------
    vectors : ndarray, shape (n, dim)
        One vector a patch.
    centres_um : ndarray, shape (n, 2)
        Patch centres.
    step_um : float
        Step of the grid.

    Returns
    -------
    ndarray of float32, shape (n, dim)
    """
    n = len(vectors)
    pairs = grid_pairs(centres_um, step_um)
    own = np.arange(n)
    rows = np.concatenate([own, pairs[:, 0], pairs[:, 1]])
    columns = np.concatenate([own, pairs[:, 1], pairs[:, 0]])
    near = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(n, n))
    mean: NDArray[np.float32] = near @ np.asarray(vectors, np.float32)
    mean /= np.asarray(near.sum(axis=1), np.float32)
    return mean
