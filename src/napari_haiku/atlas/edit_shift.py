"""How far an edit moves the score of every candidate, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.atlas.collecting import read_rows
from napari_haiku.atlas.exact_scores import sum_error
from napari_haiku.atlas.threads import spread
from napari_haiku.atlas.widening import widen

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So few that they stay in the processor's own memory.
_ROWS_AT_ONCE = 256
_QUERIES_AT_ONCE = 2048
_UNIT = 2.0**-24


@dataclass(frozen=True)
class Edit:
    """How far each candidate's score moves, and how far each query strays from that.

    Parameters
    ----------
    shift : ndarray of float32, shape (n,)
        How far the score of each candidate moves, for all queries alike.
    shift_sorted : ndarray of float32, shape (n,)
        The same, largest first.
    order : ndarray of int64, shape (n,)
        Candidates in that order.
    error : ndarray of float64, shape (q,)
        How far a moved fast score of a query can be off because of the move.
    alike : bool
        Whether all queries moved by the very same vector, so that a sum in double
        precision of the first pass and `exact` make up the new one.
    exact : ndarray of float64, shape (n,)
        The shift in double precision.
    sum_error : ndarray of float64, shape (q,)
        How far such a sum can lie from one made anew.
    """

    shift: NDArray[np.float32]
    shift_sorted: NDArray[np.float32]
    order: NDArray[np.int64]
    error: NDArray[np.float64]
    alike: bool
    exact: NDArray[np.float64]
    sum_error: NDArray[np.float64]

    @classmethod
    def between(
        cls,
        before: NDArray[np.float32],
        after: NDArray[np.float32],
        gallery: NDArray[Any],
        rows: NDArray[np.int64],
        longest: float,
    ) -> Edit:
        """Measure the edit that turns some queries into others."""
        if before.shape != after.shape:
            raise ValueError("the edited questions are not those of the first pass")
        moved, stray = _move(before, after)
        exact = np.empty(len(rows))

        def move(part: slice) -> None:
            vectors = widen(read_rows(gallery, rows[part]), shared=False).astype(np.float64)
            np.einsum("ij,j->i", vectors, moved, out=exact[part])

        step = _ROWS_AT_ONCE
        spread(move, [slice(n, min(n + step, len(rows))) for n in range(0, len(rows), step)])
        shift = exact.astype(np.float32)
        order = np.argsort(-shift, kind="stable")
        length = float(np.linalg.norm(moved))
        size = np.sqrt(np.einsum("ij,ij->i", before, before, dtype=np.float64))
        # Beside the stray: the rounding of the shift, and of adding it to a score.
        error = stray * longest + 4 * _UNIT * (size + 2 * length) * longest
        sums = sum_error(before, longest) + sum_error(after, longest)
        sums += sum_error(moved[None].astype(np.float32), longest)
        return cls(shift, shift[order], order, error, not stray.any(), exact, 1.01 * sums)


def _move(
    before: NDArray[np.float32], after: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """By which vector queries moved, and how far each strays from it."""
    if not len(before):
        return np.zeros(before.shape[1]), np.zeros(0)
    first = after[0].astype(np.float64) - before[0]
    stray = _stray(before, after, first)
    if not stray.any():
        return first, stray
    mean = after.mean(axis=0, dtype=np.float64) - before.mean(axis=0, dtype=np.float64)
    return mean, _stray(before, after, mean)


def _stray(
    before: NDArray[np.float32], after: NDArray[np.float32], moved: NDArray[np.float64]
) -> NDArray[np.float64]:
    stray = np.empty(len(before))
    for start in range(0, len(before), _QUERIES_AT_ONCE):
        some = slice(start, start + _QUERIES_AT_ONCE)
        apart = np.asarray(after[some], np.float64) - before[some]
        apart -= moved
        stray[some] = np.sqrt(np.einsum("ij,ij->i", apart, apart))
    return stray
