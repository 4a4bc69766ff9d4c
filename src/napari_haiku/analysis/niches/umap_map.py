"""A flat map of vectors by UMAP: fitted on some, the others laid beside their neighbours."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.niches.nearest_points import nearest_points
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS_AT_ONCE = 16_384
# How far the start reaches; UMAP's own starts reach as far.
_START_SPREAD = 10.0


def principal_components(
    vectors: NDArray[np.float32], rows: NDArray[np.int64], components: int
) -> NDArray[np.float32]:
    """Coordinates of all vectors along the main directions of some of them.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, dim)
        All vectors.
    rows : ndarray of int64
        Those that the directions are taken from.
    components : int
        How many directions, at most.
    """
    some = np.asarray(vectors[rows], np.float64)
    mean = some.mean(axis=0)
    some -= mean
    _, turn = np.linalg.eigh(some.T @ some)
    directions = turn[:, ::-1][:, :components]
    # The sign of an eigenvector is arbitrary; its largest entry is made positive.
    largest = np.abs(directions).argmax(axis=0)
    directions = directions * np.where(directions[largest, np.arange(len(largest))] < 0, -1, 1)
    flat = np.empty((len(vectors), directions.shape[1]), np.float32)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        flat[part] = (np.asarray(vectors[part], np.float64) - mean) @ directions
    return flat


def fit_map(
    coordinates: NDArray[np.float32], *, neighbours: int, min_dist: float, seed: int | None
) -> Job[NDArray[np.float32]]:
    """Lay points out on a plane by UMAP, starting from their first two coordinates.

    Parameters
    ----------
    coordinates : ndarray of float32, shape (n, components)
        Principal coordinates, the widest first.
    neighbours : int
        How many neighbours each point holds on to.
    min_dist : float
        How close points may come.
    seed : int, optional
        With one the map repeats exactly and is made on one core; without, all
        cores work at once and the order in which they come is left to chance.
    """
    k = min(neighbours, len(coordinates) - 1)
    # The first neighbour is the point itself.
    found, distances = yield from nearest_points(
        coordinates, coordinates, k + 1, "Finding the neighbours"
    )
    yield Progress(0, 1, "Laying out the map", "maps")
    start = coordinates[:, :2].astype(np.float32)
    if start.shape[1] < 2:
        start = np.pad(start, ((0, 0), (0, 1)))
    widest = float(np.abs(start).max())
    start = start * np.float32(_START_SPREAD / widest if widest > 0 else 1)
    # Equal points must not stay on one another.
    jitter = np.random.default_rng(0 if seed is None else seed).normal(scale=1e-3, size=start.shape)
    return _umap(coordinates, found, distances, start + jitter, min_dist, seed)


def _umap(
    coordinates: NDArray[np.float32],
    found: NDArray[np.int64],
    distances: NDArray[np.float32],
    start: NDArray[Any],
    min_dist: float,
    seed: int | None,
) -> NDArray[np.float32]:
    with warnings.catch_warnings():
        # Parametric UMAP misses TensorFlow; given neighbours cannot place new points.
        warnings.simplefilter("ignore")
        from umap.umap_ import UMAP

        made = UMAP(
            n_neighbors=found.shape[1],
            min_dist=min_dist,
            init=start.astype(np.float32),
            random_state=seed,
            n_jobs=1 if seed is not None else -1,
            precomputed_knn=(found, distances),
            force_approximation_algorithm=True,
        ).fit(coordinates)
    return np.asarray(made.embedding_, np.float32)


def place_beside(
    coordinates: NDArray[np.float32],
    fitted_coordinates: NDArray[np.float32],
    fitted: NDArray[np.float32],
    *,
    neighbours: int,
) -> Job[NDArray[np.float32]]:
    """Place points on a fitted map, each at the middle of its nearest fitted neighbours.

    The middle leans towards the nearest: a neighbour weighs what UMAP's own
    likeness would give it, and neighbours that lie elsewhere on the map than
    the nearest few are left out, so that nothing is laid between two islands.

    Parameters
    ----------
    coordinates : ndarray of float32, shape (n, components)
        Points to place.
    fitted_coordinates : ndarray of float32, shape (m, components)
        Points that the map was fitted on.
    fitted : ndarray of float32, shape (m, 2)
        Where they lie on the map.
    neighbours : int
        How many neighbours are asked.
    """
    k = min(neighbours, len(fitted))
    found, distances = yield from nearest_points(
        coordinates, fitted_coordinates, k, "Placing the others"
    )
    reach = distances - distances[:, :1]
    scale = np.maximum(reach.mean(axis=1, keepdims=True), 1e-12)
    weights = np.exp(-reach / scale)
    there = fitted[found]
    # The neighbour with most of the others around it, not an average of two places.
    apart = np.sqrt(((there[:, :, None] - there[:, None]) ** 2).sum(axis=3))
    centre = (apart * weights[:, None]).sum(axis=2).argmin(axis=1)
    from_centre = apart[np.arange(len(apart)), centre]
    near = from_centre <= 2 * np.median(from_centre, axis=1, keepdims=True)
    weights = np.where(near, weights, 0)
    weights /= weights.sum(axis=1, keepdims=True)
    placed: NDArray[np.float32] = (there * weights[:, :, None]).sum(axis=1).astype(np.float32)
    return placed
