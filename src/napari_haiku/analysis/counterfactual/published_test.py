"""The published test over patches, shown for comparison and never used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LABEL = "published; rejects about 8 of 10 markers under placebo"


def wilcoxon_over_patches(
    change: NDArray[Any], niches: NDArray[np.int64], niche_numbers: Sequence[int], least: int
) -> NDArray[np.float64]:
    """Two-sided signed-rank p of each marker over the patches of each niche.

    The patches share one pair of captions and one atlas, so they are no
    independent units and this p rejects whatever the edit says.

    Parameters
    ----------
    change : ndarray, shape (n, markers)
        Shift of each patch, NaN where there is none.
    niches : ndarray of int64, shape (n,)
        Niche of each patch.
    niche_numbers : sequence of int
        Niches in the order of the result.
    least : int
        Patches that a test needs.

    Returns
    -------
    ndarray of float64, shape (niches, markers)
    """
    p = np.full((len(niche_numbers), change.shape[1]), np.nan)
    for place, number in enumerate(niche_numbers):
        here = np.asarray(change[niches == number], np.float64)
        for marker in range(change.shape[1]):
            values = here[np.isfinite(here[:, marker]), marker]
            if len(values) >= least and values.any():
                p[place, marker] = stats.wilcoxon(values, method="asymptotic").pvalue
    return p
