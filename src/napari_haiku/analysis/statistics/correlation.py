"""Agreement of measured and predicted columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_MIN_PAIRS = 3


def pearson_columns(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Pearson correlation of each column of `a` with the same column of `b`.

    Parameters
    ----------
    a, b : array-like, shape (n, m)
        Pairs in which either value is NaN or infinite are left out.

    Returns
    -------
    ndarray of float64, shape (m,)
        NaN where fewer than three pairs are left or a side is constant.
    """
    left, right = np.array(a, np.float64), np.array(b, np.float64)
    if left.shape != right.shape or left.ndim != 2:
        raise ValueError(f"two tables of one shape are needed, not {left.shape} and {right.shape}")
    both = np.isfinite(left) & np.isfinite(right)
    pairs = both.sum(axis=0)
    left, right = _centred(left, both, pairs), _centred(right, both, pairs)
    product = (left * right).sum(axis=0)
    size = np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
    r = np.full(left.shape[1], np.nan)
    known = (pairs >= _MIN_PAIRS) & (size > 0)
    r[known] = np.clip(product[known] / size[known], -1, 1)
    return r


def _centred(
    values: NDArray[np.float64], keep: NDArray[np.bool_], pairs: NDArray[np.intp]
) -> NDArray[np.float64]:
    values = np.where(keep, values, 0)
    # A constant column must come out as exactly zero, whatever its mean rounds to.
    first = values[np.argmax(keep, axis=0), np.arange(values.shape[1])] if len(values) else 0
    values = np.where(keep, values - first, 0)
    mean = values.sum(axis=0) / np.maximum(pairs, 1)
    centred: NDArray[np.float64] = np.where(keep, values - mean, 0)
    return centred
