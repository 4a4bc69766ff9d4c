"""Groups of like vectors: by centres, as a mixture, or as communities of a graph."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.niches.nearest_centroid import assign_to_nearest, niche_centroids
from napari_haiku.analysis.niches.nearest_points import nearest_points
from napari_haiku.analysis.niches.umap_map import principal_components
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.analysis.niches.niche_request import Method

_FIT_ON = 100_000
# A normal distribution in more directions has more covariances than a slide has patches.
_MIXTURE_COMPONENTS = 12
_GRAPH_COMPONENTS = 50
_GRAPH_NEIGHBOURS = 15
_GRAPH_FIT_ON = 20_000
_PLACED_BY = 5


@dataclass(frozen=True)
class Grouping:
    """Groups of vectors.

    Parameters
    ----------
    places : ndarray of int64, shape (n,)
        Group of each vector from 0; -1 for a vector of zeros or NaN.
    centres : ndarray of float32, shape (groups, dim)
        Centre of each group.
    certainty : ndarray of float32, shape (n,), or None
        Of a mixture: probability of the group, given the vector.
    """

    places: NDArray[np.int64]
    centres: NDArray[np.float32]
    certainty: NDArray[np.float32] | None = None


def group_vectors(
    vectors: NDArray[np.float32],
    method: Method,
    clusters: int,
    *,
    seed: int,
    restarts: int,
    resolution: float,
) -> Job[Grouping]:
    """Group vectors.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, dim)
        What to group.
    method : {"kmeans", "gaussian", "leiden"}
        How.
    clusters : int
        Number of groups; not used by Leiden.
    seed, restarts : int
        Seed of the starting points, and how often to start.
    resolution : float
        Of Leiden.

    Raises
    ------
    HaikuError
        Fewer vectors, or fewer different ones, than groups; Leiden is not
        installed.
    """
    there = np.isfinite(vectors).all(axis=1) & (vectors != 0).any(axis=1)
    kept = np.flatnonzero(there)
    if len(kept) < (clusters if method != "leiden" else 3):
        raise HaikuError(
            f"There are {len(kept)} patches, too few for {clusters} niches: "
            "choose fewer niches or encode more tissue."
        )
    if method == "kmeans":
        centres = yield from _tightest_centres(vectors[kept], clusters, seed, restarts)
        return Grouping(assign_to_nearest(vectors, centres), centres)
    places = np.full(len(vectors), -1, np.int64)
    certainty = None
    if method == "gaussian":
        certainty = np.full(len(vectors), np.nan, np.float32)
        places[kept], certainty[kept] = yield from _mixture(vectors[kept], clusters, seed, restarts)
    else:
        places[kept] = yield from _communities(vectors[kept], resolution, seed)
    # Numbers without a gap: a component of a mixture may have lost its last vector.
    used, places[kept] = np.unique(places[kept], return_inverse=True)
    return Grouping(places, niche_centroids(vectors, places, range(len(used))), certainty)


def sample_rows(n: int, size: int, seed: int) -> NDArray[np.int64]:
    """Ascending rows to fit on: all, or a random sample of so many."""
    if n <= size:
        return np.arange(n)
    rows: NDArray[np.int64] = np.sort(np.random.default_rng(seed).choice(n, size, replace=False))
    return rows


def _tightest_centres(
    vectors: NDArray[np.float32], clusters: int, seed: int, restarts: int
) -> Job[NDArray[np.float32]]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    fitted_on = vectors[sample_rows(len(vectors), _FIT_ON, seed)]
    best: Any = None
    for restart in range(restarts):
        yield Progress(restart, restarts, "Grouping", "restarts")
        means = KMeans(clusters, n_init=1, random_state=seed + restart)
        # One thread: the order in which threads add up would change the last digit.
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore", ConvergenceWarning)
            means.fit(fitted_on)
        if best is None or means.inertia_ < best.inertia_:
            best = means
    _check_different(len(np.unique(best.labels_)), clusters)
    return np.asarray(best.cluster_centers_, np.float32)


def _check_different(kinds: int, clusters: int) -> None:
    if kinds < clusters:
        raise HaikuError(
            f"The patches are of only {kinds} different kinds, too few for "
            f"{clusters} niches: choose fewer niches."
        )


def _mixture(
    vectors: NDArray[np.float32], clusters: int, seed: int, restarts: int
) -> Job[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    rows = sample_rows(len(vectors), _FIT_ON, seed)
    _check_different(min(clusters, len(np.unique(vectors[rows], axis=0))), clusters)
    best: Any = None
    with threadpool_limits(1):
        flat = principal_components(vectors, rows, _MIXTURE_COMPONENTS).astype(np.float64)
    # One unit for all: what is added to each variance must be small beside it.
    flat /= max(float(flat[rows].std()), 1e-12)
    for restart in range(restarts):
        yield Progress(restart, restarts, "Grouping", "restarts")
        mixture = GaussianMixture(clusters, reg_covar=1e-4, random_state=seed + restart)
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(flat[rows])
        if best is None or mixture.lower_bound_ > best.lower_bound_:
            best = mixture
    with threadpool_limits(1):
        shares = best.predict_proba(flat)
    places: NDArray[np.int64] = shares.argmax(axis=1)
    return places, shares.max(axis=1).astype(np.float32)


def _communities(
    vectors: NDArray[np.float32], resolution: float, seed: int
) -> Job[NDArray[np.int64]]:
    try:
        import igraph
        import leidenalg
    except ImportError as error:
        raise HaikuError(
            "Leiden is not installed: install it with pip install 'napari-haiku[leiden]', or "
            "choose kmeans or gaussian."
        ) from error
    from threadpoolctl import threadpool_limits

    rows = sample_rows(len(vectors), _GRAPH_FIT_ON, seed)
    with threadpool_limits(1):
        flat = principal_components(vectors, rows, _GRAPH_COMPONENTS)
    k = min(_GRAPH_NEIGHBOURS, len(rows) - 1)
    found, _ = yield from nearest_points(flat[rows], flat[rows], k + 1, "Finding the neighbours")
    edges, weights = _shared_neighbours(found)
    yield Progress(0, 1, "Finding communities", "graphs")
    graph = igraph.Graph(n=len(rows), edges=edges.tolist())
    partition = leidenalg.find_partition(
        graph,
        leidenalg.RBConfigurationVertexPartition,
        weights=weights.tolist(),
        resolution_parameter=resolution,
        n_iterations=-1,
        seed=seed,
    )
    own = np.asarray(partition.membership, np.int64)
    places = np.empty(len(vectors), np.int64)
    places[rows] = own
    others = np.setdiff1d(np.arange(len(vectors)), rows)
    if len(others):
        near, _ = yield from nearest_points(
            flat[others], flat[rows], min(_PLACED_BY, len(rows)), "Placing the others"
        )
        votes = own[near]
        # The community that most neighbours are of; among equals that of the nearest.
        count = (votes[:, :, None] == votes[:, None]).sum(axis=2)
        places[others] = votes[np.arange(len(votes)), count.argmax(axis=1)]
    return places


def _shared_neighbours(found: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Edges between neighbours, weighted by the share of neighbours that they have in common."""
    from scipy import sparse

    n, k = found.shape
    near = sparse.csr_matrix(
        (np.ones(n * k), found.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n)
    )
    linked = sparse.triu(near + near.T, 1).tocoo()
    edges = np.stack([linked.row, linked.col], axis=1).astype(np.int64)
    weights = np.empty(len(edges))
    step = 100_000
    for start in range(0, len(edges), step):
        a, b = edges[start : start + step].T
        common = np.asarray(near[a].multiply(near[b]).sum(axis=1)).ravel()
        weights[start : start + step] = common / (2 * k - common)
    some = weights > 0
    return edges[some], weights[some]
