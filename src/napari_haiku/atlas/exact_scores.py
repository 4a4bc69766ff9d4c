"""Dot products of chosen pairs, to the last bit the same however they are computed.

The score of a pair is the product of a float32 query with a float16 vector, summed in float64 and
rounded to float32. A fast sum in another order differs by less than a bound; where the bound
leaves the rounding open, which is rare, the pair is summed again in the order that counts.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.atlas.threads import spread
from napari_haiku.atlas.widening import widen

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAIRS_AT_ONCE = 4096
_ROWS_AT_ONCE = 256


def exact_scores(
    queries: NDArray[np.float32],
    gallery: NDArray[Any],
    query_of: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Score pairs of a query and a gallery row.

    Parameters
    ----------
    queries : ndarray of float32, shape (q, d)
        Queries.
    gallery : ndarray, shape (n, d)
        Candidates, for example a float16 memory map.
    query_of : ndarray of int64, shape (p,)
        Query of each pair, ascending.
    rows : ndarray of int64, shape (p,)
        Gallery row of each pair.

    Returns
    -------
    ndarray of float32, shape (p,)
    """
    scores = np.empty(len(rows), np.float32)
    parts = [slice(start, start + PAIRS_AT_ONCE) for start in range(0, len(rows), PAIRS_AT_ONCE)]

    def score(part: slice) -> None:
        scores[part] = _score(queries, gallery, query_of[part], rows[part])

    spread(score, parts)
    return scores


def sum_error(queries: NDArray[np.float32], longest: float) -> NDArray[np.float64]:
    """Bound on how far two float64 sums of one pair lie apart, per query."""
    length = np.sqrt(np.einsum("ij,ij->i", queries, queries, dtype=np.float64))
    bound: NDArray[np.float64] = 2.1 * (queries.shape[1] + 4) * 2.0**-53 * length * longest
    return bound


def pair_sums(
    queries: NDArray[np.float32],
    gallery: NDArray[Any],
    query_of: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Products of pairs summed in double precision, not yet rounded.

    Parameters
    ----------
    queries, gallery, query_of, rows
        As :func:`exact_scores`.
    """
    sums = np.empty(len(rows))
    parts = [slice(start, start + PAIRS_AT_ONCE) for start in range(0, len(rows), PAIRS_AT_ONCE)]

    def add(part: slice) -> None:
        sums[part] = _summed(queries, gallery, query_of[part], rows[part])[0]

    spread(add, parts)
    return sums


def rounds_alike(
    sums: NDArray[np.float64], error: NDArray[np.float64] | float
) -> NDArray[np.bool_]:
    """Whether sums that are off by an error at most all round to the same float32."""
    # Not so where a sum is no number: the last word is the plain sum's.
    alike: NDArray[np.bool_] = (sums - error).astype(np.float32) == (sums + error).astype(
        np.float32
    )
    return alike


def _score(
    queries: NDArray[np.float32],
    gallery: NDArray[Any],
    query_of: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> NDArray[np.float32]:
    sums, error = _summed(queries, gallery, query_of, rows)
    scores = sums.astype(np.float32)
    open_ = np.flatnonzero(~rounds_alike(sums, error))
    for start in range(0, len(open_), _ROWS_AT_ONCE):
        some = open_[start : start + _ROWS_AT_ONCE]
        scores[some] = plain_scores(queries[query_of[some]], gallery[rows[some]])
    return scores


def _summed(
    queries: NDArray[np.float32],
    gallery: NDArray[Any],
    query_of: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum pairs, and say how far each can lie from the plain sum."""
    sums = np.empty(len(rows))
    longest = 0.0
    asked, first = np.unique(query_of, return_index=True)
    questions = queries[asked].astype(np.float64)
    wide = np.empty((min(_ROWS_AT_ONCE, len(rows)), queries.shape[1]))
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        stop = min(start + _ROWS_AT_ONCE, len(rows))
        vectors = widen(gallery[rows[start:stop]], shared=False)
        longest = max(longest, float(np.einsum("ij,ij->i", vectors, vectors).max()))
        wide[: stop - start] = vectors
        # Pairs of one query lie together: one product of a matrix with a vector for each.
        here = slice(*np.searchsorted(first, [start + 1, stop]))
        bounds = [start, *first[here].tolist(), stop]
        for number, (begin, end) in enumerate(pairwise(bounds)):
            question = questions[here.start - 1 + number]
            # Not by BLAS: its threads get in each other's way where the pieces are so small.
            block = wide[begin - start : end - start]
            np.einsum("ij,j->i", block, question, out=sums[begin:end])
    # Lengths in float32 are rounded, by less than this.
    longest *= 1.001
    error = sum_error(queries[asked], np.sqrt(longest))[np.searchsorted(asked, query_of)]
    return sums, error


def plain_scores(queries: NDArray[np.float32], vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Score pairs row by row in the order of summation that counts."""
    products = np.asarray(vectors, np.float64)
    result: NDArray[np.float32] = (products * queries).sum(axis=1).astype(np.float32)
    return result
