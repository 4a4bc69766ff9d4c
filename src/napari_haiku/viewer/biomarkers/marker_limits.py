"""Limits of a marker's colour bar, from what was measured and predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LimitsRule = Literal["percentile", "full", "fixed"]
LOW_PERCENTILE = 2.0
HIGH_PERCENTILE = 99.0
SHIFT_PERCENTILE = 98.0
MOST_ATLAS_ROWS = 50_000


def widened(low: float, high: float) -> tuple[float, float]:
    """Limits that differ: a constant gets half a unit (or 5 %) on either side."""
    if high > low:
        return low, high
    margin = max(abs(low) * 0.05, 0.5)
    return low - margin, high + margin


def marker_limits(
    *values: NDArray[np.floating], rule: LimitsRule = "percentile"
) -> tuple[float, float]:
    """Limits shared by all given maps of one marker.

    Parameters
    ----------
    *values : ndarray
        Values of one marker, NaN where there is none (measured, predicted, the atlas's).
    rule : {"percentile", "full"}
        2nd to 99th percentile, or smallest to largest.

    Returns
    -------
    low, high : float
        (0, 1) when there is no value at all.
    """
    known = [part[np.isfinite(part)] for part in values]
    joined = np.concatenate(known) if known else np.empty(0)
    if joined.size == 0:
        return 0.0, 1.0
    if rule == "full":
        return widened(float(joined.min()), float(joined.max()))
    low, high = np.percentile(joined, (LOW_PERCENTILE, HIGH_PERCENTILE))
    return widened(float(low), float(high))


def sampled_rows(n_rows: int) -> slice:
    """Rows of an atlas to read for limits: evenly spaced, at most 50,000."""
    return slice(None, None, max(1, -(-n_rows // MOST_ATLAS_ROWS)))


def shift_limit(*shifts: NDArray[np.floating]) -> float:
    """Upper end of the symmetric limits: 98th percentile of the absolute shift.

    Returns
    -------
    float
        1.0 when there is no value or every shift is zero.
    """
    known = [np.abs(part[np.isfinite(part)]) for part in shifts]
    joined = np.concatenate(known) if known else np.empty(0)
    if joined.size == 0:
        return 1.0
    limit = float(np.percentile(joined, SHIFT_PERCENTILE))
    if limit <= 0:
        limit = float(joined.max())
    return limit if limit > 0 else 1.0
