"""Harrell's C-index: how often the patient at higher risk dies first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.analysis.outcome.survival_times import SurvivalTimes

_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Concordance:
    """A C-index with its interval.

    Parameters
    ----------
    value : float
        Share of comparable pairs in which the patient at higher risk died
        first, ties of risk counting half; NaN where no pair is comparable.
    ci_low, ci_high : float
        Percentile bootstrap over patients, 95 %.
    n, pairs : int
        Patients and comparable pairs.
    """

    value: float
    ci_low: float
    ci_high: float
    n: int
    pairs: int


def c_index(times: SurvivalTimes, risk: NDArray[Any], strata: NDArray[Any] | None = None) -> float:
    """Return Harrell's C-index of a risk score (higher means earlier death).

    A pair is comparable where the earlier of two times is a death, or where a
    death and a censoring fall on the same time. Ties of risk count half, as in
    lifelines.

    Parameters
    ----------
    times : SurvivalTimes
        Follow-up.
    risk : ndarray, shape (n,)
        Risk score.
    strata : ndarray, shape (n,), optional
        Only patients of the same stratum are compared: risks of different
        folds have no common scale.
    """
    ones = np.ones((1, len(times)))
    right, pairs = _weighted(times, risk, ones, strata)
    return float(right[0] / pairs[0]) if pairs[0] else float("nan")


def concordance(
    times: SurvivalTimes,
    risk: NDArray[Any],
    *,
    strata: NDArray[Any] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Concordance:
    """Measure the C-index and bootstrap it over patients.

    A patient drawn twice is not compared with itself.
    """
    n = len(times)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    right, pairs = _weighted(times, risk, np.vstack([np.ones(n), draws]), strata)
    value = np.divide(right, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    low, high = (float("nan"),) * 2
    if np.isfinite(value[1:]).any():
        low, high = map(float, np.nanpercentile(value[1:], (2.5, 97.5)))
    return Concordance(float(value[0]), low, high, n, int(pairs[0]))


def comparable_pairs(times: SurvivalTimes, strata: NDArray[Any] | None = None) -> int:
    """Count the pairs of patients whose order of death is known."""
    zero = np.zeros(len(times))
    return int(_weighted(times, zero, np.ones((1, len(times))), strata)[1][0])


def _weighted(
    times: SurvivalTimes,
    risk: NDArray[Any],
    weights: NDArray[Any],
    strata: NDArray[Any] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Concordant and comparable pairs under each row of weights (multiplicities)."""
    risk = np.asarray(risk, np.float64)
    if risk.shape != times.time.shape or not np.isfinite(risk).all():
        raise HaikuError(
            f"The C-index needs one finite risk a patient: {len(times)} patients, risks of shape "
            f"{risk.shape}, {int((~np.isfinite(risk)).sum())} not finite."
        )
    weight = np.asarray(weights, np.float64)
    right, pairs = np.zeros(len(weight)), np.zeros(len(weight))
    first = np.flatnonzero(times.event)
    for start in range(0, len(first), _ROWS_AT_ONCE):
        died = first[start : start + _ROWS_AT_ONCE]
        later = times.time[died, None] < times.time[None]
        later |= (times.time[died, None] == times.time[None]) & ~times.event[None]
        if strata is not None:
            later &= np.asarray(strata)[died, None] == np.asarray(strata)[None]
        gap = risk[died, None] - risk[None]
        score = ((gap > 0) + 0.5 * (gap == 0)) * later
        pairs += np.einsum("bi,bi->b", weight[:, died], weight @ later.T.astype(np.float64))
        right += np.einsum("bi,bi->b", weight[:, died], weight @ score.T)
    return right, pairs
