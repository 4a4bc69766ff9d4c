"""Top k of many dot products without ever holding them all, ties decided exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERY_BLOCK = 1024
GALLERY_BLOCK = 16384
# Candidates kept beyond k, so that rounding of the fast scores can almost never
# push a true hit out; where it could, the query is scored again exactly.
_SPARE = 32
_PAIRS_AT_ONCE = 32768
_GAP_QUERIES = 128

Indices = NDArray[np.int64]
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Gap:
    """Candidates too close to a query to answer it.

    Parameters
    ----------
    rows : ndarray of int64, shape (m,)
        Ascending gallery rows of the query's own patient or slide.
    positions_um : ndarray, shape (m, 2)
        Their centres.
    queries_um : ndarray, shape (q, 2)
        Centres of the queries.
    gap_um : float
        Candidates closer than this are out.
    """

    rows: Indices
    positions_um: NDArray[np.float64]
    queries_um: NDArray[np.float64]
    gap_um: float

    def too_close(self, queries: slice, first: int, last: int) -> tuple[slice, NDArray[np.bool_]]:
        """Which of the rows [first, last) are out for each of some queries."""
        part = slice(*np.searchsorted(self.rows, [first, last]))
        x, y = (
            self.queries_um[queries, None, axis] - self.positions_um[None, part, axis]
            for axis in (0, 1)
        )
        return part, x**2 + y**2 < self.gap_um**2


def best_rows(
    queries: NDArray[np.float32],
    gallery: NDArray[Any],
    rows: Indices,
    k: int,
    *,
    gap: Gap | None = None,
) -> tuple[Indices, Scores]:
    """Find the k rows with the largest dot product for each query.

    Parameters
    ----------
    queries : ndarray of float32, shape (q, d)
        Queries.
    gallery : ndarray, shape (n, d)
        Candidates, for example a float16 memory map.
    rows : ndarray of int64
        Ascending candidates to consider.
    k : int
        How many.
    gap : Gap, optional
        Candidates that are out for single queries.

    Returns
    -------
    indices : ndarray of int64, shape (q, k)
        Candidates, best first, ties by lower number; -1 where there are fewer.
    scores : ndarray of float32, shape (q, k)
        Dot products summed in float64; NaN where there is no candidate.
    """
    indices = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), np.nan, np.float32)
    if not len(rows):
        return indices, scores
    task = _Task(queries, gallery, rows, gap)
    for start in range(0, len(queries), QUERY_BLOCK):
        block = slice(start, min(start + QUERY_BLOCK, len(queries)))
        found, exact = task.search(block, k)
        width = min(k, found.shape[1])
        indices[block, :width] = found[:, :width]
        scores[block, :width] = exact[:, :width]
    return indices, scores


def best_rows_of_slides(
    queries: NDArray[np.float32],
    slide_vectors: NDArray[Any],
    slide_of: Indices,
    rows: Indices,
    k: int,
    *,
    gap: Gap | None = None,
) -> tuple[Indices, Scores]:
    """Find the k best rows where all rows of a slide share the slide's vector.

    Parameters
    ----------
    queries : ndarray of float32, shape (q, d)
        Queries.
    slide_vectors : ndarray, shape (slides, d)
        One vector a slide.
    slide_of : ndarray of int64, shape (n,)
        Slide of each row, ascending.
    rows : ndarray of int64
        Ascending candidates to consider.
    k : int
        How many.
    gap : Gap, optional
        Candidates that are out for single queries.

    Returns
    -------
    indices, scores
        As :func:`best_rows`.
    """
    indices = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), np.nan, np.float32)
    slides = np.unique(slide_of[rows])
    first = np.searchsorted(slide_of[rows], slides)
    last = np.append(first[1:], len(rows))
    vectors = np.asarray(slide_vectors[slides], np.float64)
    for number, query in enumerate(queries):
        exact = (vectors * query).sum(axis=1).astype(np.float32)
        filled = 0
        for place in np.argsort(-exact, kind="stable"):
            mine = rows[first[place] : last[place]]
            if gap is not None:
                part, out = gap.too_close(
                    slice(number, number + 1), int(mine[0]), int(mine[-1]) + 1
                )
                mine = np.setdiff1d(mine, gap.rows[part][out[0]], assume_unique=True)
            mine = mine[: k - filled]
            indices[number, filled : filled + len(mine)] = mine
            scores[number, filled : filled + len(mine)] = exact[place]
            filled += len(mine)
            if filled == k:
                break
    return indices, scores


@dataclass(frozen=True)
class _Task:
    queries: NDArray[np.float32]
    gallery: NDArray[Any]
    rows: Indices
    gap: Gap | None

    def search(self, block: slice, k: int) -> tuple[Indices, Scores]:
        queries = self.queries[block]
        room = min(k + _SPARE, len(self.rows))
        found, cut, longest = self._candidates(block, room)
        exact = self._exact(queries, found)
        found, exact = _sorted(found, exact)
        if room < len(self.rows):
            # Whoever was dropped scored at most `cut` by the fast product.
            slack = _rounding(queries, longest)
            unsure = ~(cut + slack < exact[:, k - 1]) & ~np.isneginf(cut)
            for query in np.flatnonzero(unsure):
                full = self._exhaustive(block.start + int(query), k)
                found[query, :k], exact[query, :k] = full
        return found[:, :k], exact[:, :k]

    def _candidates(self, block: slice, room: int) -> tuple[Indices, Scores, float]:
        """Best `room` candidates by the fast product, the score of the last, longest vector."""
        queries = self.queries[block]
        best = np.full((len(queries), room), -1, np.int64)
        score = np.full((len(queries), room), -np.inf, np.float32)
        longest = 0.0
        for part in _growing_blocks(len(self.rows)):
            rows = self.rows[part]
            vectors = self._block(rows)
            longest = max(longest, float(np.sqrt(np.einsum("ij,ij->i", vectors, vectors).max())))
            fast = queries @ vectors.T
            self._drop_too_close(fast, block, rows)
            _merge(best, score, fast, rows)
        return best, score[:, -1], longest

    def _block(self, rows: Indices) -> NDArray[np.float32]:
        """Vectors of ascending rows, read in one piece where they lie together."""
        if rows[-1] - rows[0] + 1 == len(rows):
            return np.asarray(self.gallery[rows[0] : rows[-1] + 1], np.float32)
        return np.asarray(self.gallery[rows], np.float32)

    def _drop_too_close(self, fast: Scores, block: slice, rows: Indices) -> None:
        if self.gap is None or not len(rows):
            return
        for start in range(block.start, block.stop, _GAP_QUERIES):
            some = slice(start, min(start + _GAP_QUERIES, block.stop))
            part, out = self.gap.too_close(some, int(rows[0]), int(rows[-1]) + 1)
            query, near = np.nonzero(out)
            place = np.searchsorted(rows, self.gap.rows[part][near])
            fast[query + start - block.start, place] = -np.inf

    def _exact(self, queries: NDArray[np.float32], found: Indices) -> Scores:
        exact = np.full(found.shape, -np.inf, np.float32)
        query, place = np.nonzero(found >= 0)
        for start in range(0, len(query), _PAIRS_AT_ONCE):
            some = slice(start, start + _PAIRS_AT_ONCE)
            vectors = np.asarray(self.gallery[found[query[some], place[some]]], np.float64)
            vectors *= queries[query[some]]
            exact[query[some], place[some]] = vectors.sum(axis=1)
        return exact

    def _exhaustive(self, query: int, k: int) -> tuple[Indices, Scores]:
        """Score every candidate of one query exactly."""
        block = slice(query, query + 1)
        scores = np.empty((1, len(self.rows)), np.float32)
        for start in range(0, len(self.rows), GALLERY_BLOCK):
            rows = self.rows[start : start + GALLERY_BLOCK]
            part = self._exact(self.queries[block], rows[None])
            self._drop_too_close(part, block, rows)
            scores[:, start : start + len(rows)] = part
        order = np.argsort(-scores[0], kind="stable")[:k]
        found = np.where(np.isneginf(scores[0, order]), -1, self.rows[order])
        return found, scores[0, order]


def _growing_blocks(n: int) -> Iterator[slice]:
    """Cut n rows into blocks, small ones first.

    A small block already gives a bound that most later candidates miss, so
    that few have to be sorted.
    """
    start = 0
    while start < n:
        size = min(max(start, GALLERY_BLOCK // 16), GALLERY_BLOCK)
        yield slice(start, min(start + size, n))
        start += size


def _merge(best: Indices, score: Scores, fast: Scores, rows: Indices) -> None:
    """Bring the best of a block into the running best, in place, best first."""
    room = best.shape[1]
    better = fast > score[:, -1:]
    if len(rows) > room and np.count_nonzero(better) > 4 * room * len(best):
        better &= _top(fast, room)
    query, place = np.divmod(np.flatnonzero(better), len(rows))
    if not len(query):
        return
    changed = np.unique(query)
    here = np.repeat(changed, room)
    all_query = np.concatenate([here, query])
    all_rows = np.concatenate([best[changed].ravel(), rows[place]])
    all_score = np.concatenate([score[changed].ravel(), fast[query, place]])
    order = np.lexsort((all_rows, -all_score, all_query))
    all_query = all_query[order]
    rank = np.arange(len(order)) - np.searchsorted(all_query, all_query)
    keep = order[rank < room]
    best[changed] = all_rows[keep].reshape(-1, room)
    score[changed] = all_score[keep].reshape(-1, room)


def _top(fast: Scores, room: int) -> NDArray[np.bool_]:
    """Mark the `room` largest of each row, of equal ones the first."""
    floor = np.partition(fast, fast.shape[1] - room, axis=1)[:, -room, None]
    top: NDArray[np.bool_] = fast >= floor
    crowded = np.flatnonzero(np.count_nonzero(top, axis=1) > room)
    for query in crowded:
        level = np.flatnonzero(fast[query] == floor[query])
        above = np.count_nonzero(fast[query] > floor[query])
        top[query, level[room - above :]] = False
    return top


def _sorted(found: Indices, exact: Scores) -> tuple[Indices, Scores]:
    last = np.where(found < 0, np.iinfo(np.int64).max, found)
    order = np.lexsort((last, -exact), axis=1)
    found = np.take_along_axis(found, order, axis=1)
    exact = np.take_along_axis(exact, order, axis=1)
    return found, np.where(found < 0, np.float32(np.nan), exact)


def _rounding(queries: NDArray[np.float32], longest: float) -> NDArray[np.float64]:
    """Bound on how far fast and exact scores of one pair can lie apart, per query."""
    length = np.sqrt(np.einsum("ij,ij->i", queries, queries, dtype=np.float64))
    bound: NDArray[np.float64] = (queries.shape[1] + 4) * 2.0**-24 * length * longest
    return bound
