"""Rank of the right answers among all candidates, streamed, ties counted exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_haiku.jobs import Job

from napari_haiku.jobs import Progress

QUERY_BLOCK = 512
GALLERY_BLOCK = 16384
_PAIRS_AT_ONCE = 65536
_AT_HAND_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Ranks:
    """Where the first right answer of each query stands.

    Parameters
    ----------
    larger : ndarray of int64, shape (q,)
        Wrong candidates that score higher; -1 where there is no right one.
    tied : ndarray of int64, shape (q,)
        Wrong candidates that score exactly alike.
    right_tied : ndarray of int64, shape (q,)
        Right candidates at that score, at least 1.
    """

    larger: NDArray[np.int64]
    tied: NDArray[np.int64]
    right_tied: NDArray[np.int64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which queries have a right answer in the gallery."""
        found: NDArray[np.bool_] = self.larger >= 0
        return found

    def hit(self, k: int) -> NDArray[np.float64]:
        """Chance that a right answer is among the first k, ties in random order; (q,).

        Without ties it is 0 or 1.
        """
        free = k - self.larger
        pool = self.tied + self.right_tied
        missed = np.ones(len(free))
        # Of `pool` tied candidates the first `free` are shown; all of them are wrong with
        # probability C(tied, free) / C(pool, free).
        most = int(self.right_tied.max(initial=1))
        for step in range(most):
            left = pool - step
            here = step < self.right_tied
            share = np.where(left > 0, (left - np.clip(free, 0, None)) / np.maximum(left, 1), 0)
            missed *= np.where(here, np.clip(share, 0, 1), 1)
        return np.where(self.known, np.where(free <= 0, 0, 1 - missed), np.nan)

    def rank(self) -> NDArray[np.float64]:
        """Return the expected rank of the first right answer, ties in random order; (q,)."""
        first = (self.tied + self.right_tied + 1) / (self.right_tied + 1)
        return np.where(self.known, self.larger + first, np.nan)

    def reciprocal(self) -> NDArray[np.float64]:
        """Return the expected 1 / rank of the first right answer; (q,)."""
        out = 1 / (self.larger + 1.0)
        for place in np.flatnonzero(self.known & (self.tied > 0)):
            shares = _first_places(int(self.tied[place]), int(self.right_tied[place]))
            out[place] = float((shares / (self.larger[place] + 1 + np.arange(len(shares)))).sum())
        return np.where(self.known, out, np.nan)

    def gain(self) -> NDArray[np.float64]:
        """Return the expected 1 / log2(1 + rank), the nDCG of a single right answer; (q,)."""
        out = 1 / np.log2(self.larger + 2.0)
        for place in np.flatnonzero(self.known & (self.tied > 0)):
            shares = _first_places(int(self.tied[place]), int(self.right_tied[place]))
            ranks = self.larger[place] + 1 + np.arange(len(shares))
            out[place] = float((shares / np.log2(ranks + 1.0)).sum())
        return np.where(self.known, out, np.nan)


def _first_places(wrong: int, right: int) -> NDArray[np.float64]:
    """Chance of each place to hold the first right one among candidates in random order."""
    places = np.arange(wrong + 1)
    if right == 1:
        return np.full(wrong + 1, 1 / (wrong + 1))
    total = wrong + right
    with np.errstate(divide="ignore"):
        survive = np.cumsum(np.log(np.maximum(wrong - places, 0) / np.maximum(total - places, 1)))
    before = np.concatenate([[0.0], survive[:-1]])
    shares: NDArray[np.float64] = np.exp(before) * right / (total - places)
    return shares


def paired_ranks(
    queries: NDArray[Any], gallery: NDArray[Any], doing: str = "Ranking"
) -> Job[Ranks]:
    """Rank of row i of the gallery for query i, among all rows of the gallery.

    Nothing of the size queries x gallery is ever held.

    Parameters
    ----------
    queries, gallery : ndarray, shape (n, d)
        Row-aligned vectors.
    doing : str
        What the progress says.
    """
    n = len(queries)
    gallery = _at_hand(gallery)
    larger, tied = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for block in _blocks(n, QUERY_BLOCK):
        yield Progress(block.start, n, doing, "queries")
        asked = np.asarray(queries[block], np.float32)
        own = np.asarray(gallery[block], np.float32)
        level = _exact(asked, own)
        above, alike = _count(asked, level, gallery)
        # The right answer itself is among those alike.
        larger[block], tied[block] = above, alike - 1
    return Ranks(larger, tied, np.ones(n, np.int64))


def group_ranks(
    queries: NDArray[Any],
    gallery: NDArray[Any],
    query_group: NDArray[np.int64],
    gallery_group: NDArray[np.int64],
    doing: str = "Ranking",
) -> Job[Ranks]:
    """Rank of the best candidate of each query's own group.

    Parameters
    ----------
    queries, gallery : ndarray, shape (q, d) and (n, d)
        Vectors.
    query_group, gallery_group : ndarray of int64
        Group of each; every candidate of a query's group is right.
    doing : str
        What the progress says.
    """
    q = len(queries)
    gallery = _at_hand(gallery)
    larger = np.full(q, -1, np.int64)
    tied, right_tied = np.zeros(q, np.int64), np.ones(q, np.int64)
    order = np.argsort(gallery_group, kind="stable")
    sorted_group = np.asarray(gallery_group)[order]
    for block in _blocks(q, QUERY_BLOCK):
        yield Progress(block.start, q, doing, "queries")
        asked = np.asarray(queries[block], np.float32)
        level = np.full(len(asked), -np.inf, np.float32)
        own: list[NDArray[np.float32]] = []
        for place, group in enumerate(query_group[block]):
            first, last = np.searchsorted(sorted_group, [group, group + 1])
            mine = np.sort(order[first:last])
            vectors = np.asarray(gallery[mine], np.float32)
            scores = _exact(np.broadcast_to(asked[place], vectors.shape), vectors)
            own.append(scores)
            if len(scores):
                level[place] = scores.max()
        there = np.isfinite(level)
        if not there.any():
            continue
        above, alike = _count(asked[there], level[there], gallery)
        right = np.array([(s == t).sum() for s, t in zip(own, level, strict=True)])[there]
        places = np.arange(block.start, block.stop)[there]
        larger[places] = above
        tied[places], right_tied[places] = alike - right, right
    return Ranks(larger, tied, right_tied)


def _count(
    asked: NDArray[np.float32], level: NDArray[np.float32], gallery: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many candidates score above a query's level, and how many exactly at it."""
    above = np.zeros(len(asked), np.int64)
    alike = np.zeros(len(asked), np.int64)
    for part in _blocks(len(gallery), GALLERY_BLOCK):
        vectors = np.asarray(gallery[part], np.float32)
        fast = asked @ vectors.T
        slack = _slack(asked, vectors)
        high, low = (level + slack)[:, None], (level - slack)[:, None]
        surely = np.count_nonzero(fast > high, axis=1)
        maybe = np.count_nonzero(fast >= low, axis=1)
        above += surely
        # What rounding cannot tell apart is scored again, summed in float64.
        for some in _few(maybe - surely):
            near = (fast[some] >= low[some]) & (fast[some] <= high[some])
            query, row = np.nonzero(near)
            query = some[query]
            for start in range(0, len(query), _PAIRS_AT_ONCE):
                these = slice(start, start + _PAIRS_AT_ONCE)
                exact = _exact(asked[query[these]], vectors[row[these]])
                here, sought = query[these], level[query[these]]
                above += np.bincount(here, exact > sought, len(asked)).astype(np.int64)
                alike += np.bincount(here, exact == sought, len(asked)).astype(np.int64)
    return above, alike


def _few(unsure: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the queries with candidates that rounding cannot tell apart, some at a time."""
    queries = np.flatnonzero(unsure)
    for part in _blocks(len(queries), 64):
        yield queries[part]


def _exact(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Dot products row by row, summed in float64 and rounded once, as the atlas's search does."""
    summed: NDArray[np.float64] = (left.astype(np.float64) * right).sum(axis=1)
    return summed.astype(np.float32)


def _slack(asked: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far the fast and the exact score of a pair can lie apart, per query."""
    length = np.sqrt(np.einsum("ij,ij->i", asked, asked, dtype=np.float64))
    longest = float(np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64).max()))
    slack: NDArray[np.float64] = (asked.shape[1] + 6) * 2.0**-23 * length * longest
    return slack.astype(np.float32)


def _at_hand(gallery: NDArray[Any]) -> NDArray[Any]:
    """Convert a gallery to float32 once where that is small; else block by block."""
    if gallery.size * 4 <= _AT_HAND_BYTES:
        return np.asarray(gallery, np.float32)
    return gallery


def _blocks(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
