"""The nearest of some points, exactly, for many points at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A block of distances stays below 200 MB against 20,000 points.
_DISTANCES_AT_ONCE = 48_000_000


def nearest_points(
    queries: NDArray[np.float32], points: NDArray[np.float32], k: int, doing: str
) -> Job[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Find the k nearest points of each query by Euclidean distance.

    Parameters
    ----------
    queries : ndarray of float32, shape (q, dim)
        Whose neighbours are sought.
    points : ndarray of float32, shape (n, dim)
        Among what.
    k : int
        How many, at most n.
    doing : str
        What the progress reports say.

    Returns
    -------
    places : ndarray of int64, shape (q, k)
        Nearest first.
    distances : ndarray of float32, shape (q, k)
        Their distances.
    """
    import torch

    there = torch.from_numpy(np.ascontiguousarray(points))
    half_squares = 0.5 * (there**2).sum(dim=1)
    places = np.empty((len(queries), k), np.int64)
    distances = np.empty((len(queries), k), np.float32)
    step = max(1, _DISTANCES_AT_ONCE // max(1, len(points)))
    for start in range(0, len(queries), step):
        yield Progress(start, len(queries), doing)
        block = queries[start : start + step]
        score = torch.from_numpy(np.ascontiguousarray(block)) @ there.T - half_squares
        found = torch.topk(score, k, dim=1).indices.numpy()
        # From the difference: the score's own rounding would make equal points lie apart.
        apart = np.sqrt(((points[found] - block[:, None]) ** 2).sum(axis=2))
        order = np.lexsort((found, apart), axis=1)
        part = slice(start, start + len(block))
        places[part] = np.take_along_axis(found, order, axis=1)
        distances[part] = np.take_along_axis(apart, order, axis=1)
    return places, distances
