"""Many p values at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import false_discovery_control

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def benjamini_hochberg(p: ArrayLike) -> NDArray[np.float64]:
    """Adjust p values by Benjamini and Hochberg, leaving out those that are NaN.

    Parameters
    ----------
    p : array-like
        p values of any shape; NaN stands for "not estimable" and is no test.

    Returns
    -------
    ndarray of float64
        q values of the same shape, NaN where `p` is NaN.
    """
    values = np.asarray(p, np.float64)
    q = np.full(values.shape, np.nan)
    known = np.isfinite(values)
    if known.any():
        q[known] = false_discovery_control(values[known], method="bh")
    return q


def q_of_both(p: NDArray[np.float64], also: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correct the larger of two p values of each row: a call then passes both tests.

    Parameters
    ----------
    p, also : ndarray of float64, of one shape
        Where `also` is NaN, `p` stands alone; where `p` is NaN there is no q.
    """
    return benjamini_hochberg(np.where(np.isfinite(p), np.fmax(p, also), np.nan))
