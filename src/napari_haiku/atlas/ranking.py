"""Top k of many dot products without ever holding them all, ties decided exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_haiku.atlas.collecting import Collector, Found
from napari_haiku.atlas.exact_scores import exact_scores
from napari_haiku.atlas.products import accurate_product, choose_product

if TYPE_CHECKING:
    from napari_haiku.atlas.products import Product

QUERY_BLOCK = 4096
# Candidates collected beyond k, so that rounding of the fast scores can almost never
# push a true hit out; where it could, the query is scored again.
_SPARE = 32
_ROWS_AT_ONCE = 16384
# Where the fast product leaves more queries open than this, a more exact one is used at once.
_TOO_MANY_OPEN = 0.25

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

    def of_queries(self, queries: slice | Indices) -> Gap:
        """Take the gap of some of the queries."""
        return Gap(self.rows, self.positions_um, self.queries_um[queries], self.gap_um)

    def drops(self, query: Indices, rows: Indices) -> NDArray[np.bool_]:
        """Which pairs of a query and a gallery row are out."""
        out = np.zeros(len(rows), bool)
        if not len(self.rows):
            return out
        place = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        own = np.flatnonzero(self.rows[place] == rows)
        apart = self.queries_um[query[own]] - self.positions_um[place[own]]
        out[own] = (apart**2).sum(axis=1) < self.gap_um**2
        return out

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
    if len(queries) == 1 and len(rows) <= _ROWS_AT_ONCE:
        # So few that narrowing down costs more than scoring everyone.
        _exhaustive(queries, gallery, rows, k, gap, indices, scores, 0)
        return indices, scores
    product = choose_product(float(len(queries)) * len(rows), queries.shape[1])
    open_ = _search(queries, gallery, rows, k, gap, product, indices, scores)
    if len(open_) and (accurate := accurate_product(product)) is not product:
        open_ = _again(queries, gallery, rows, k, gap, accurate, indices, scores, open_)
    for query in open_:
        _exhaustive(queries, gallery, rows, k, gap, indices, scores, int(query))
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


def sorted_pairs(
    query_of: Indices, rows: Indices, scores: Scores, queries: int, k: int
) -> tuple[Indices, Scores]:
    """Best k rows of each query out of scored pairs, ties by lower row.

    Parameters
    ----------
    query_of, rows : ndarray of int64, shape (p,)
        The pairs.
    scores : ndarray of float32, shape (p,)
        Their scores.
    queries : int
        How many queries there are.
    k : int
        How many to keep.

    Returns
    -------
    indices, scores
        As :func:`best_rows`.
    """
    query_of, rows, scores = _in_order(query_of, rows, scores)
    rank = np.arange(len(rows)) - np.searchsorted(query_of, query_of)
    kept = rank < k
    indices = np.full((queries, k), -1, np.int64)
    found = np.full((queries, k), np.nan, np.float32)
    indices[query_of[kept], rank[kept]] = rows[kept]
    found[query_of[kept], rank[kept]] = scores[kept]
    return indices, found


def _in_order(query_of: Indices, rows: Indices, scores: Scores) -> tuple[Indices, Indices, Scores]:
    """Sort pairs by query, then by falling score, then by row; what is no number goes last."""
    row_bits = int(rows.max(initial=0)).bit_length()
    if int(query_of.max(initial=0)).bit_length() + 32 + row_bits > 64:
        order = np.lexsort((rows, -scores, query_of))
        return query_of[order], rows[order], scores[order]
    # One number a pair sorts many times faster. Adding 0 makes one of both zeros.
    level = (0.0 - scores.astype(np.float32)).view(np.uint32)
    level = np.where(level >> 31, ~level, level | np.uint32(1 << 31))
    level[np.isnan(scores)] = np.uint32(0xFFFFFFFF)
    keys = query_of.astype(np.uint64) << np.uint64(32)
    keys = ((keys | level) << np.uint64(row_bits)) | rows.astype(np.uint64)
    keys.sort()
    rows = (keys & np.uint64((1 << row_bits) - 1)).astype(np.int64)
    keys >>= np.uint64(row_bits)
    level = keys.astype(np.uint32)
    back = np.where(level >> 31, level & np.uint32(0x7FFFFFFF), ~level).view(np.float32)
    return (keys >> np.uint64(32)).astype(np.int64), rows, 0.0 - back


def _search(
    queries: NDArray[np.float32],
    gallery: NDArray[Any],
    rows: Indices,
    k: int,
    gap: Gap | None,
    product: Product,
    indices: Indices,
    scores: Scores,
) -> Indices:
    """Fill in the answers, and return the queries that the fast product left open."""
    collector = Collector(gallery, rows, product)
    accurate = accurate_product(product)
    open_: list[Indices] = []
    for start in range(0, len(queries), QUERY_BLOCK):
        block = slice(start, min(start + QUERY_BLOCK, len(queries)))
        near = None if gap is None else gap.of_queries(block)
        found = collector.collect(queries[block], k + _SPARE, near)
        pairs = _contenders(found, k)
        query, place = found.query[pairs], found.rows[pairs]
        exact = exact_scores(queries[block], gallery, query, place)
        indices[block], scores[block] = sorted_pairs(query, place, exact, len(found.floor), k)
        last = np.where(np.isnan(scores[block, -1]), -np.inf, scores[block, -1])
        # Whoever was not collected scores less than the floor by the fast product.
        unsure = ~(found.floor + found.error < last) & ~np.isneginf(found.floor)
        open_.append(start + np.flatnonzero(unsure))
        if accurate is not collector.product and unsure.mean() > _TOO_MANY_OPEN:
            collector = Collector(gallery, rows, accurate)
    return np.concatenate(open_)


def _contenders(found: Found, k: int) -> Indices:
    """Pairs that can be among the best k, by what the fast product says and its error."""
    order = np.lexsort((-found.score, found.query))
    ordered = found.query[order]
    first = np.searchsorted(ordered, np.arange(len(found.floor)))
    last = np.searchsorted(ordered, np.arange(len(found.floor)), side="right")
    bar = np.full(len(found.floor), -np.inf)
    many = np.flatnonzero(last - first > k)
    bar[many] = found.score[order[first[many] + k - 1]] - 2 * found.error[many]
    # A bar lower than the floor lets everyone through.
    kept: Indices = np.flatnonzero(found.score >= bar[found.query])
    return kept[np.argsort(found.query[kept], kind="stable")]


def _again(
    queries: NDArray[np.float32],
    gallery: NDArray[Any],
    rows: Indices,
    k: int,
    gap: Gap | None,
    product: Product,
    indices: Indices,
    scores: Scores,
    open_: Indices,
) -> Indices:
    """Search once more for single queries, and return those still open."""
    some_indices, some_scores = indices[open_], scores[open_]
    near = None if gap is None else gap.of_queries(open_)
    still = _search(queries[open_], gallery, rows, k, near, product, some_indices, some_scores)
    indices[open_], scores[open_] = some_indices, some_scores
    return open_[still]


def _exhaustive(
    queries: NDArray[np.float32],
    gallery: NDArray[Any],
    rows: Indices,
    k: int,
    gap: Gap | None,
    indices: Indices,
    scores: Scores,
    query: int,
) -> None:
    """Score every candidate of one query exactly."""
    question = queries[query : query + 1]
    exact = np.empty(len(rows), np.float32)
    nobody = np.zeros(len(rows), np.int64)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        exact[part] = exact_scores(question, gallery, nobody[part], rows[part])
    kept = np.ones(len(rows), bool)
    if gap is not None:
        kept = ~gap.drops(nobody + query, rows)
    found = sorted_pairs(nobody[kept], rows[kept], exact[kept], 1, k)
    indices[query], scores[query] = found[0][0], found[1][0]
