"""Average precision and nDCG over whole rankings with many right answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.jobs import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_haiku.jobs import Job

_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class RelevanceScores:
    """Figures of each query's whole ranking; NaN where nothing is right.

    Parameters
    ----------
    average_precision, gain, reciprocal : ndarray of float64, shape (q,)
        Average precision, nDCG, 1 / rank of the first right one.
    rank : ndarray of float64, shape (q,)
        Rank of the first right one.
    precision : dict of int to ndarray
        Share of right ones among the first k.
    candidates, right : ndarray of int64, shape (q,)
        How many were ranked, and how many of them are right.
    """

    average_precision: NDArray[np.float64]
    gain: NDArray[np.float64]
    reciprocal: NDArray[np.float64]
    rank: NDArray[np.float64]
    precision: dict[int, NDArray[np.float64]]
    candidates: NDArray[np.int64]
    right: NDArray[np.int64]


def relevance_scores(
    queries: NDArray[Any],
    gallery: NDArray[Any],
    right: Callable[[slice], NDArray[np.bool_]],
    out: Callable[[slice], NDArray[np.bool_]] | None = None,
    *,
    ks: tuple[int, ...] = (1, 5, 10, 50),
    seed: int = 0,
    doing: str = "Ranking",
) -> Job[RelevanceScores]:
    """Rank every candidate for every query, a block of queries at a time.

    Parameters
    ----------
    queries, gallery : ndarray, shape (q, d) and (n, d)
        Vectors.
    right : callable
        Which candidates are right for some of the queries, (queries, n).
    out : callable, optional
        Which candidates may not answer some of the queries, (queries, n).
    ks : tuple of int
        Ranks at which precision is read.
    seed : int
        Ties stand in an order drawn by it.
    doing : str
        What the progress says.
    """
    q, n = len(queries), len(gallery)
    shuffled = np.random.default_rng([seed, 5]).permutation(n)
    vectors = np.asarray(gallery, np.float32)[shuffled]
    columns = {name: np.full(q, np.nan) for name in ("ap", "gain", "reciprocal", "rank")}
    precision = {k: np.full(q, np.nan) for k in ks}
    sizes = np.zeros((2, q), np.int64)
    weights = 1 / np.log2(np.arange(2, n + 2))
    ideal = np.cumsum(weights)
    step = max(1, _CELLS_AT_ONCE // max(1, n))
    for start in range(0, q, step):
        yield Progress(start, q, doing, "queries")
        part = slice(start, min(start + step, q))
        scores = np.asarray(queries[part], np.float32) @ vectors.T
        good = right(part)[:, shuffled]
        candidates = np.full(len(scores), n)
        if out is not None:
            bad = out(part)[:, shuffled]
            scores[bad] = -np.inf
            good = good & ~bad
            candidates = n - bad.sum(axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")
        hit = np.take_along_axis(good, order, axis=1)
        total = hit.sum(axis=1)
        some = total > 0
        found = np.cumsum(hit, axis=1)
        ranks = np.arange(1, n + 1)
        safe = np.maximum(total, 1)
        first = np.argmax(hit, axis=1) + 1.0
        columns["ap"][part] = np.where(some, (found / ranks * hit).sum(axis=1) / safe, np.nan)
        columns["gain"][part] = np.where(some, (hit @ weights) / ideal[safe - 1], np.nan)
        columns["reciprocal"][part] = np.where(some, 1 / first, np.nan)
        columns["rank"][part] = np.where(some, first, np.nan)
        for k in ks:
            top = np.minimum(k, np.maximum(candidates, 1))
            share = found[np.arange(len(found)), top - 1] / top
            precision[k][part] = np.where(some, share, np.nan)
        sizes[0, part], sizes[1, part] = candidates, total
    return RelevanceScores(
        columns["ap"],
        columns["gain"],
        columns["reciprocal"],
        columns["rank"],
        precision,
        sizes[0],
        sizes[1],
    )
