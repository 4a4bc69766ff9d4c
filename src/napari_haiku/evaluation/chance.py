"""What rankings in random order would reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class RandomOrder:
    """Figures of rankings that know nothing.

    Parameters
    ----------
    candidates : array-like of int, shape (q,)
        How many candidates each query ranks.
    right : array-like of int, shape (q,)
        How many of them are right; at least 1.
    """

    def __init__(self, candidates: ArrayLike, right: ArrayLike) -> None:
        kinds, count = np.unique(
            np.stack(np.broadcast_arrays(candidates, right), axis=-1).reshape(-1, 2),
            axis=0,
            return_counts=True,
        )
        self._kinds = kinds.astype(np.int64)
        self._share: NDArray[np.float64] = count / max(1, count.sum())

    def hit(self, k: int) -> float:
        """Chance of a right one among the first k."""
        return self._mean([1 - _missed(n, r)[min(k, n)] for n, r in self._kinds])

    def reciprocal(self) -> float:
        """Mean of 1 / rank of the first right one."""
        return self._mean(
            [float((-np.diff(_missed(n, r)) / np.arange(1, n + 1)).sum()) for n, r in self._kinds]
        )

    def median_rank(self) -> float:
        """Lower median of the rank of the first right one."""
        if not len(self._kinds):
            return float("nan")
        longest = int(self._kinds[:, 0].max())
        reached = np.zeros(longest + 1)
        for share, (n, r) in zip(self._share, self._kinds, strict=True):
            missed = np.zeros(longest + 1)
            missed[: n + 1] = _missed(n, r)
            reached += share * (1 - missed)
        return float(np.argmax(reached >= 0.5 - 1e-12))

    def average_precision(self) -> float:
        """Mean average precision."""
        out = []
        for n, r in self._kinds:
            harmonic = float((1 / np.arange(1, n + 1)).sum())
            out.append(1.0 if n == 1 else (r - 1) / (n - 1) + harmonic / n * (n - r) / (n - 1))
        return self._mean(out)

    def gain(self, k: int | None = None) -> float:
        """Mean nDCG over the first k ranks, all of them by default."""
        out = []
        for n, r in self._kinds:
            weights = 1 / np.log2(np.arange(2, n + 2))
            top = n if k is None else min(k, n)
            out.append(float(r / n * weights[:top].sum() / weights[: min(r, top)].sum()))
        return self._mean(out)

    def precision(self) -> float:
        """Share of right ones at any rank."""
        return self._mean([r / n for n, r in self._kinds])

    def _mean(self, values: list[float]) -> float:
        if not values:
            return float("nan")
        return float(np.dot(self._share, values))


def _missed(n: int, right: int) -> NDArray[np.float64]:
    """Chance that the first k of n candidates hold no right one, for k = 0 to n."""
    steps = np.arange(n)
    keep = np.clip((n - right - steps) / (n - steps), 0, 1)
    return np.concatenate([[1.0], np.cumprod(keep)])
