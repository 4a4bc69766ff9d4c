"""Expression statistics of a patch among the patches of its region (caption stage A).

The published rule: mean of the non-zero pixels per channel, compared with the
other patches of the same region, and a word for the spatial pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TINY = 1e-6
GREY_LEVELS = 256


@dataclass(frozen=True)
class MarkerStatistics:
    """One marker of one patch.

    Parameters
    ----------
    marker : str
        Name.
    z_score : float
        Deviation from the other patches of the region.
    percentile : float
        Share of the other patches that are no brighter, in percent.
    pattern : str or None
        Word for the spatial pattern.
    """

    marker: str
    z_score: float
    percentile: float
    pattern: str | None = None


def mean_of_nonzero(channels: NDArray[Any]) -> NDArray[np.float64]:
    """Mean of the non-zero pixels per channel, 0 where there is none.

    Parameters
    ----------
    channels : ndarray, shape (..., h, w)

    Returns
    -------
    ndarray of float64, shape (...)
    """
    total = channels.sum(axis=(-2, -1), dtype=np.float64)
    count = np.count_nonzero(channels, axis=(-2, -1))
    mean: NDArray[np.float64] = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    return mean


def leave_one_out(means: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compare every patch with all others of its region.

    Parameters
    ----------
    means : ndarray, shape (patches, channels)
        From :func:`mean_of_nonzero`.

    Returns
    -------
    z_scores, percentiles : ndarray of float64, shape (patches, channels)
        A single patch has z-score 0 and percentile 50.
    """
    values = np.asarray(means, np.float64)
    n = len(values)
    if n < 2:
        return np.zeros_like(values), np.full_like(values, 50.0)
    # Centring first keeps the sum of squares from cancelling.
    centred = values - values.mean(axis=0)
    total, squares = centred.sum(axis=0), (centred**2).sum(axis=0)
    mean = (total - centred) / (n - 1)
    variance = (squares - centred**2) / (n - 1) - mean**2
    z_scores = (centred - mean) / (np.sqrt(np.clip(variance, 0, None)) + TINY)
    ranked = np.sort(values, axis=0)
    no_brighter = np.stack(
        [np.searchsorted(ranked[:, c], values[:, c], side="right") for c in range(values.shape[1])],
        axis=1,
    )
    return z_scores, 100.0 * (no_brighter - 1) / (n - 1)


def select_markers(z_scores: NDArray[Any], percentiles: NDArray[Any]) -> list[int]:
    """Channels worth a line: the three most unusual and every clearly high or low one.

    Returns
    -------
    list of int
        By descending absolute z-score.
    """
    order = np.argsort(-np.abs(z_scores), kind="stable")
    chosen = set(order[:3].tolist())
    high = (z_scores >= 1) | (percentiles >= 80)
    low = (z_scores <= -1) | (percentiles <= 20)
    chosen |= set(np.flatnonzero(high | low).tolist())
    return [int(channel) for channel in order if channel in chosen]


def spatial_pattern(channel: NDArray[Any]) -> str:
    """Word for how a marker is spread over a patch.

    Parameters
    ----------
    channel : ndarray, shape (h, w)
        Region-normalised intensities, 0 to 255.
    """
    values = channel.astype(np.float64)
    lit = values > 0
    coverage = float(lit.mean())
    if coverage < 0.1:
        return "sparse"
    bright = values[lit]
    variation = float(bright.std() / bright.mean())
    rows, columns = np.gradient(values)
    clustering = 1.0 / (1.0 + float(np.hypot(rows, columns)[lit].mean()))
    if coverage > 0.7:
        if variation < 0.5 and _homogeneity(values) > 0.6:
            return "uniform dense"
        return "clustered dense" if clustering > 0.7 else "heterogeneous dense"
    if coverage > 0.3:
        if clustering > 0.6:
            return "clustered moderate"
        return "uniform moderate" if variation < 0.6 else "heterogeneous moderate"
    return "clustered sparse" if clustering > 0.5 else "scattered sparse"


def describe_patch(
    channels: NDArray[Any],
    markers: tuple[str, ...],
    z_scores: NDArray[Any],
    percentiles: NDArray[Any],
) -> tuple[MarkerStatistics, ...]:
    """Statistics of the markers worth a line, most unusual first.

    Parameters
    ----------
    channels : ndarray, shape (c, h, w)
        The patch.
    markers : tuple of str
        Names.
    z_scores, percentiles : ndarray, shape (c,)
        The patch's row of :func:`leave_one_out`.
    """
    return tuple(
        MarkerStatistics(
            markers[c], float(z_scores[c]), float(percentiles[c]), spatial_pattern(channels[c])
        )
        for c in select_markers(np.asarray(z_scores), np.asarray(percentiles))
    )


def _homogeneity(values: NDArray[np.float64]) -> float:
    """Homogeneity of the grey levels of horizontal neighbours."""
    span = values.max() - values.min()
    if span == 0:
        return 1.0
    grey = ((values - values.min()) / span * (GREY_LEVELS - 1)).astype(np.int64)
    step = grey[:, 1:] - grey[:, :-1]
    return float((1.0 / (1.0 + step.astype(np.float64) ** 2)).mean())
