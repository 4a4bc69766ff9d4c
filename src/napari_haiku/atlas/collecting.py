"""Collect, for each query, the candidates whose fast score reaches a floor.

The floor of a query is the score that about as many candidates as asked for reach; it is read from
a sample of the gallery. Nothing is sorted on the way: what reaches the floor is kept, the rest is
known to score less.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_haiku.atlas.products import Operand, Product

GALLERY_BLOCK = 8192
# More pairs of a block than this for each one asked for: many candidates are alike.
_CROWD = 16
_LEAST_CROWD = 1_000_000
_GAP_QUERIES = 128


class Nearness(Protocol):
    """Says which pairs of a query and a row are out; see :class:`ranking.Gap`."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """Ascending rows that are out for some query."""

    def drops(self, query: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which pairs are out."""


@dataclass(frozen=True)
class Found:
    """Candidates of some queries.

    Parameters
    ----------
    query, rows : ndarray of int64, shape (p,)
        Pairs of a query and a gallery row.
    score : ndarray of float32, shape (p,)
        Their fast scores.
    floor : ndarray of float64, shape (q,)
        No other candidate of the query has a fast score of more than this; -inf
        where there is no other.
    error : ndarray of float64, shape (q,)
        How far fast and exact scores lie apart at most.
    """

    query: NDArray[np.int64]
    rows: NDArray[np.int64]
    score: NDArray[np.float32]
    floor: NDArray[np.float64]
    error: NDArray[np.float64]


class Collector:
    """Collect candidates from some rows of a gallery.

    Parameters
    ----------
    gallery : ndarray, shape (n, d)
        All candidates, for example a float16 memory map.
    rows : ndarray of int64
        Ascending rows that may answer.
    product : Product
        The fast product.
    """

    def __init__(self, gallery: NDArray[Any], rows: NDArray[np.int64], product: Product) -> None:
        self._gallery = gallery
        self._rows = rows
        self.product = product
        self.longest = self._residual = 0.0
        self._measured = False

    def collect(
        self, queries: NDArray[np.float32], wanted: int, near: Nearness | None = None
    ) -> Found:
        """Collect at least about `wanted` candidates for each query.

        Parameters
        ----------
        queries : ndarray of float32, shape (q, d)
            Queries.
        wanted : int
            How many candidates.
        near : Nearness, optional
            Pairs that are out.
        """
        left = self.product.operand(queries)
        floor = self._floor(left, wanted, near)
        limit = max(_LEAST_CROWD, _CROWD * wanted * len(queries))
        parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
        held = 0
        for rows, block in self._blocks():
            self.longest = max(self.longest, float(block.length.max(initial=0)))
            self._residual = max(self._residual, float(block.residual.max(initial=0)))
            query, place, score = self.product.above(left, block, floor)
            if near is not None:
                kept = ~near.drops(query, rows[place])
                query, place, score = query[kept], place[kept], score[kept]
            parts.append((query, rows[place], score))
            held += len(query)
            if held > limit:
                parts = [_thinned(parts, wanted, floor)]
                held = len(parts[0][0])
        self._measured = True
        query, found, score = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        error = self.product.error(left, self.longest, self._residual)
        return Found(query, found, score, floor.astype(np.float64), error)

    def _floor(self, left: Operand, wanted: int, near: Nearness | None) -> NDArray[np.float32]:
        """Fast score that about `wanted` candidates reach; -inf where all may come in."""
        rows, block = self._sample
        floor = np.full(len(left), -np.inf, np.float32)
        share = wanted * len(rows) / len(self._rows)
        rank = wanted if len(rows) == len(self._rows) else int(share + 2 * share**0.5) + 2
        if rank >= len(rows):
            return floor
        fast = self.product.scores(left, block)
        if near is not None:
            _drop(fast, rows, near)
        floor[:] = np.partition(fast, len(rows) - rank, axis=1)[:, len(rows) - rank]
        return floor

    @cached_property
    def _sample(self) -> tuple[NDArray[np.int64], Operand]:
        step = -(-len(self._rows) // GALLERY_BLOCK)
        rows = self._rows[::step]
        return rows, self.product.operand(read_rows(self._gallery, rows))

    def _blocks(self) -> Iterator[tuple[NDArray[np.int64], Operand]]:
        if len(self._rows) <= GALLERY_BLOCK:
            yield self._sample
            return
        for start in range(0, len(self._rows), GALLERY_BLOCK):
            rows = self._rows[start : start + GALLERY_BLOCK]
            vectors = read_rows(self._gallery, rows)
            # The longest vector is known after the first time through.
            yield rows, self.product.operand(vectors, measured=not self._measured)


def _drop(fast: NDArray[np.float32], rows: NDArray[np.int64], near: Nearness) -> None:
    """Give the pairs that are out the lowest score, in place."""
    own = np.flatnonzero(np.isin(rows, near.rows, assume_unique=True))
    for start in range(0, len(fast) if len(own) else 0, _GAP_QUERIES):
        block = fast[start : start + _GAP_QUERIES]
        query = np.repeat(np.arange(len(block)), len(own))
        out = near.drops(start + query, np.tile(rows[own], len(block)))
        block[query[out], np.tile(own, len(block))[out]] = -np.inf


def read_rows(gallery: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Vectors of ascending rows, in one piece where they lie together."""
    if rows[-1] - rows[0] + 1 == len(rows):
        return gallery[rows[0] : rows[-1] + 1]
    vectors: NDArray[Any] = gallery[rows]
    return vectors


def _thinned(
    parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]],
    wanted: int,
    floor: NDArray[np.float32],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Keep the best of each query, and raise the floors to what was let go, in place."""
    query, rows, score = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((rows, -score, query))
    query, rows, score = query[order], rows[order], score[order]
    rank = np.arange(len(order)) - np.searchsorted(query, query)
    first_lost = rank == wanted
    floor[query[first_lost]] = score[first_lost]
    kept = rank < wanted
    return query[kept], rows[kept], score[kept]
