"""Search again after an edit that moves every score of a candidate alike, without a new pass.

A question is `w_he h + w_text t`; editing the record changes `t` only, so the score of a candidate
`g` moves by the same `u.g` for every patch of a slide. The first pass keeps, for each patch, its
best candidates by the old score and the score that all others are below. After an edit, candidates
outside the list can come in only where `floor + u.g` reaches the k-th best of the list: going down
the candidates sorted by `u.g` (the threshold algorithm), a patch is settled as soon as that sum
falls below its k-th best. Most patches are settled by their list alone; the few candidates at the
top of the order are scored for all the others at once.

What comes out equals a new pass bit for bit, ties included: fast scores carry a bound on their
error, everyone who could be among the best is scored exactly, and what remains open is searched
again. Questions made by :func:`napari_haiku.atlas.query.compose_query` move by the very same vector
under an edit; the exact sum of a pair is then the one of the first pass plus the candidate's shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.atlas.collecting import Collector
from napari_haiku.atlas.edit_shift import Edit
from napari_haiku.atlas.exact_scores import exact_scores, pair_sums, rounds_alike
from napari_haiku.atlas.products import Product, accurate_product, choose_product
from napari_haiku.atlas.ranking import Gap, best_rows, sorted_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEPTH = 1024
QUERY_BLOCK = 2048
_ROWS_AT_ONCE = 16384
# So many of the best of each list have their exact sums taken in the first pass.
SUMS = 256
# A patch that needs more of the gallery than this is searched anew with the others like it.
_NEW_PASS = 0.25


@dataclass(frozen=True)
class Reranked:
    """What the patches find after an edit.

    Parameters
    ----------
    indices : ndarray of int64, shape (q, k)
        Rows, best first, ties by lower row; -1 where there are fewer.
    similarity : ndarray of float32, shape (q, k)
        Their scores; NaN where there is no row.
    settled : int
        Patches settled by their lists alone.
    searched_anew : int
        Patches for which a new pass was needed.
    """

    indices: NDArray[np.int64]
    similarity: NDArray[np.float32]
    settled: int
    searched_anew: int


class Reranking:
    """The first pass of many questions, kept for edits; made by :meth:`of`.

    Parameters
    ----------
    queries, gallery, rows, gap
        As :func:`napari_haiku.atlas.ranking.best_rows`.
    lists : list of _Lists
        Candidates of each block of queries.
    longest : float
        Length of the longest candidate.
    """

    def __init__(
        self,
        queries: NDArray[np.float32],
        gallery: NDArray[Any],
        rows: NDArray[np.int64],
        gap: Gap | None,
        lists: list[_Lists],
        longest: float,
    ) -> None:
        self._queries = queries
        self._gallery = gallery
        self._rows = rows
        self._gap = gap
        self._lists = lists
        self._longest = longest

    @classmethod
    def of(
        cls,
        queries: NDArray[np.float32],
        gallery: NDArray[Any],
        rows: NDArray[np.int64],
        *,
        gap: Gap | None = None,
        depth: int = DEPTH,
        sums: int = SUMS,
        product: Product | None = None,
    ) -> Reranking:
        """Pass over the gallery once.

        Parameters
        ----------
        queries : ndarray of float32, shape (q, d)
            The questions before any edit.
        gallery : ndarray, shape (n, d)
            Candidates.
        rows : ndarray of int64
            Ascending candidates to consider.
        gap : Gap, optional
            Candidates that are out for single queries.
        depth : int
            About how many candidates to keep for each query. More of them
            settle larger edits; 16 bytes each.
        sums : int
            For how many of these the exact sum is taken at once and not when an
            edit first asks for it.
        product : Product, optional
            How to multiply; by default in float32.
        """
        queries = np.asarray(queries, np.float32)
        if not len(rows):
            return cls(queries, gallery, rows, gap, [], 0.0)
        # Sharper scores make the first pass slower and every edit after it faster.
        made = product or accurate_product(
            choose_product(float(len(queries)) * len(rows), queries.shape[1])
        )
        collector = Collector(gallery, rows, made)
        lists = []
        for start in range(0, len(queries), QUERY_BLOCK):
            block = slice(start, min(start + QUERY_BLOCK, len(queries)))
            near = None if gap is None else gap.of_queries(block)
            found = collector.collect(queries[block], depth, near)
            order = np.argsort(found.query, kind="stable")
            first = np.searchsorted(found.query[order], np.arange(block.stop - block.start + 1))
            score, query = found.score[order], found.query[order]
            place = np.searchsorted(rows, found.rows[order]).astype(np.int32)
            exact = np.full(len(score), np.nan)
            best = np.flatnonzero(score >= _kth_largest(score, first, max(1, sums))[query])
            exact[best] = pair_sums(queries[block], gallery, query[best], rows[place[best]])
            lists.append(_Lists(block, first, place, score, exact, found.floor, found.error))
        return cls(queries, gallery, rows, gap, lists, collector.longest)

    def search(self, queries: NDArray[np.float32], k: int) -> Reranked:
        """Find the best k rows of every edited question.

        Parameters
        ----------
        queries : ndarray of float32, shape (q, d)
            The edited questions, in the order of the first pass. Any are
            answered exactly; fast are those that all moved alike.
        k : int
            How many.

        Returns
        -------
        Reranked
            Equal to :func:`napari_haiku.atlas.ranking.best_rows` of the same questions.
        """
        queries = np.asarray(queries, np.float32)
        indices = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), np.nan, np.float32)
        if not len(self._rows):
            return Reranked(indices, scores, len(queries), 0)
        edit = Edit.between(self._queries, queries, self._gallery, self._rows, self._longest)
        anew: list[NDArray[np.int64]] = []
        settled = 0
        for lists in self._lists:
            open_, alone = self._settle(lists, queries, edit, k, indices, scores)
            anew.append(open_)
            settled += alone
        rest = np.concatenate(anew)
        if len(rest):
            gap = None if self._gap is None else self._gap.of_queries(rest)
            indices[rest], scores[rest] = best_rows(
                queries[rest], self._gallery, self._rows, k, gap=gap
            )
        return Reranked(indices, scores, settled, len(rest))

    def _settle(
        self,
        lists: _Lists,
        queries: NDArray[np.float32],
        edit: Edit,
        k: int,
        indices: NDArray[np.int64],
        scores: NDArray[np.float32],
    ) -> tuple[NDArray[np.int64], int]:
        """Answer a block; returns the queries still open, and how many its lists settled."""
        block = lists.block
        moved = lists.score + edit.shift[lists.place]
        error = lists.error + edit.error[block]
        bar = _kth_largest(moved, lists.first, k) - error
        # Outside the list a candidate scores at most floor + shift, give or take the error.
        reach = np.zeros(len(bar), np.int64)
        more = np.flatnonzero(~np.isneginf(lists.floor))
        needed = bar[more] - lists.floor[more] - error[more]
        reach[more] = np.searchsorted(-edit.shift_sorted, -needed, side="right")
        anew = reach > _NEW_PASS * len(self._rows)
        extra = self._outside(lists, queries, edit, np.where(anew, 0, reach), bar - error)
        query = np.repeat(np.arange(block.stop - block.start), np.diff(lists.first))
        kept = np.flatnonzero(moved >= (bar - error)[query])
        kept = kept[~anew[query[kept]]]
        # A candidate may come by both ways: each pair once, queries ascending.
        size = len(self._rows)
        own = query[kept] * size + lists.place[kept]
        order = np.argsort(own, kind="stable")
        own, kept = own[order], kept[order]
        new_query, new_place = np.divmod(np.setdiff1d(extra[0] * size + extra[1], own), size)
        found = sorted_pairs(
            np.concatenate([query[kept], new_query]),
            self._rows[np.concatenate([lists.place[kept], new_place])],
            np.concatenate(
                [
                    self._moved(lists, queries, edit, query[kept], kept),
                    exact_scores(queries[block], self._gallery, new_query, self._rows[new_place]),
                ]
            ),
            block.stop - block.start,
            k,
        )
        indices[block], scores[block] = found
        return block.start + np.flatnonzero(anew), int(np.count_nonzero(reach == 0))

    def _moved(
        self,
        lists: _Lists,
        queries: NDArray[np.float32],
        edit: Edit,
        query: NDArray[np.int64],
        kept: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Exact scores of candidates of the lists after an edit.

        Where all queries moved by the very same vector they are the exact sums of
        the first pass plus the candidate's own shift.
        """
        place = lists.place[kept]
        rows = self._rows[place]
        if not edit.alike:
            return exact_scores(queries[lists.block], self._gallery, query, rows)
        unknown = np.flatnonzero(np.isnan(lists.exact[kept]))
        lists.exact[kept[unknown]] = pair_sums(
            self._queries[lists.block], self._gallery, query[unknown], rows[unknown]
        )
        sums = lists.exact[kept] + edit.exact[place]
        scores: NDArray[np.float32] = sums.astype(np.float32)
        open_ = np.flatnonzero(~rounds_alike(sums, edit.sum_error[lists.block][query]))
        scores[open_] = exact_scores(queries[lists.block], self._gallery, query[open_], rows[open_])
        return scores

    def _outside(
        self,
        lists: _Lists,
        queries: NDArray[np.float32],
        edit: Edit,
        reach: NDArray[np.int64],
        bar: NDArray[np.float64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs among the candidates that moved up most: (query in block, place)."""
        deep = np.flatnonzero(reach)
        nobody = np.zeros(0, np.int64), np.zeros(0, np.int64)
        if not len(deep):
            return nobody
        deep = deep[np.argsort(reach[deep], kind="stable")]
        found: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = [nobody]
        # Queries that reach about equally far go together; doubling keeps waste below a half.
        start = 0
        while start < len(deep):
            far = max(64, 2 * int(reach[deep[start]]))
            stop = int(np.searchsorted(reach[deep], far, side="right"))
            some = np.sort(deep[start:stop])
            found.append(self._scored(lists, queries, edit, some, int(reach[some].max()), bar))
            start = stop
        query, place = (np.concatenate(columns) for columns in zip(*found, strict=True))
        return query, place

    def _scored(
        self,
        lists: _Lists,
        queries: NDArray[np.float32],
        edit: Edit,
        some: NDArray[np.int64],
        reach: int,
        bar: NDArray[np.float64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Score the first `reach` candidates by shift for some queries of a block."""
        asked = queries[lists.block.start + some]
        product = choose_product(float(len(some)) * reach, queries.shape[1])
        left = product.operand(asked)
        near = None if self._gap is None else self._gap.of_queries(lists.block)
        parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        for start in range(0, reach, _ROWS_AT_ONCE):
            places = np.sort(edit.order[start : min(start + _ROWS_AT_ONCE, reach)])
            right = product.operand(self._gallery[self._rows[places]])
            error = product.error(
                left, float(right.length.max()), float(right.residual.max(initial=0))
            )
            # The bar has the error of the lists off already.
            query, column, _ = product.above(left, right, _lower(bar[some] - error))
            pair = some[query], places[column]
            if near is not None:
                out = near.drops(pair[0], self._rows[pair[1]])
                pair = pair[0][~out], pair[1][~out]
            parts.append(pair)
        query, place = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return query, place


@dataclass(frozen=True)
class _Lists:
    """Candidates of a block of queries: places in the rows searched, and their scores.

    `score` is the fast one; `exact` the sum in double precision, NaN until it is asked for.
    """

    block: slice
    first: NDArray[np.int64]
    place: NDArray[np.int32]
    score: NDArray[np.float32]
    exact: NDArray[np.float64]
    floor: NDArray[np.float64]
    error: NDArray[np.float64]


def _kth_largest(
    scores: NDArray[np.float32], first: NDArray[np.int64], k: int
) -> NDArray[np.float64]:
    """k-th largest score of each list; -inf where it is shorter."""
    lengths = np.diff(first)
    table = np.full((len(lengths), max(k, int(lengths.max(initial=0)))), -np.inf, np.float32)
    table[np.arange(table.shape[1]) < lengths[:, None]] = scores
    width = table.shape[1]
    table.partition(width - k, axis=1)
    result: NDArray[np.float64] = table[:, width - k].astype(np.float64)
    return result


def _lower(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Float32 numbers that are not above the given ones."""
    rounded = values.astype(np.float32)
    result: NDArray[np.float32] = np.where(
        rounded > values, np.nextafter(rounded, np.float32(-np.inf)), rounded
    )
    return result
