"""Kaplan-Meier curves and the log-rank test between groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.analysis.outcome.survival_times import SurvivalTimes

_Z = 1.959963984540054


@dataclass(frozen=True)
class SurvivalCurve:
    """A Kaplan-Meier curve: a step at every time in the data, from 1 at time 0.

    Parameters
    ----------
    time, survival : ndarray of float64, shape (steps,)
        Where the curve steps, and the share alive from there on.
    ci_low, ci_high : ndarray of float64, shape (steps,)
        95 % interval (Greenwood's variance on the log-log scale).
    at_risk, deaths, censored : ndarray of int64, shape (steps,)
        Patients still followed just before that time, and what happened at it.
    median : float
        First time at which at most half are alive; infinite if never.
    """

    time: NDArray[np.float64]
    survival: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]
    at_risk: NDArray[np.int64]
    deaths: NDArray[np.int64]
    censored: NDArray[np.int64]
    median: float


@dataclass(frozen=True)
class LogRank:
    """Whether groups differ in survival.

    Parameters
    ----------
    statistic, p : float
        Chi-squared statistic and its p value.
    df : int
        Groups less one.
    observed, expected : dict of str to float
        Deaths by group, and those expected if the groups did not differ.
    """

    statistic: float
    p: float
    df: int
    observed: dict[str, float]
    expected: dict[str, float]


def kaplan_meier(times: SurvivalTimes) -> SurvivalCurve:
    """Estimate the share of patients alive over time."""
    steps, place = np.unique(times.time, return_inverse=True)
    deaths = np.bincount(place, times.event, len(steps)).astype(np.int64)
    ended = np.bincount(place, minlength=len(steps))
    at_risk = len(times) - np.concatenate([[0], np.cumsum(ended)[:-1]])
    if not len(steps) or steps[0] > 0:
        steps = np.concatenate([[0.0], steps])
        deaths, ended = (np.concatenate([[0], part]) for part in (deaths, ended))
        at_risk = np.concatenate([[len(times)], at_risk])
    survival = np.cumprod(1 - deaths / np.maximum(at_risk, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.cumsum(deaths / (at_risk * (at_risk - deaths).astype(np.float64)))
        log = np.log(survival)
        half = _Z * np.sqrt(variance) / log
        low, high = (survival ** np.exp(sign * half) for sign in (-1, 1))
    # Before the first death nothing is in doubt, and after the last one nobody is left.
    for limit in (low, high):
        limit[survival == 1] = 1
        limit[survival == 0] = 0
    below = np.flatnonzero(survival <= 0.5)
    median = float(steps[below[0]]) if len(below) else float("inf")
    return SurvivalCurve(steps, survival, low, high, at_risk, deaths, ended - deaths, median)


def log_rank(times: SurvivalTimes, groups: NDArray[Any]) -> LogRank:
    """Test whether groups of patients differ in survival.

    Parameters
    ----------
    times : SurvivalTimes
        Follow-up.
    groups : ndarray, shape (n,)
        Group of each patient.

    Raises
    ------
    HaikuError
        There is only one group.
    """
    from scipy.stats import chi2

    names, group = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        raise HaikuError("A log-rank test needs patients of at least two groups.")
    member = group[:, None] == np.arange(len(names))[None]
    when = np.unique(times.time[times.event])
    follow = times.time[:, None] >= when[None]
    risk = follow.T.astype(np.float64) @ member
    now = ((times.time[:, None] == when[None]) & times.event[:, None]).T.astype(np.float64)
    died = now @ member
    n, d = risk.sum(axis=1), died.sum(axis=1)
    share = risk / n[:, None]
    gap = (died - d[:, None] * share).sum(axis=0)
    spread = d * np.where(n > 1, (n - d) / np.maximum(n - 1, 1), 0)
    covariance = np.diag(spread @ share) - (share * spread[:, None]).T @ share
    statistic = float(gap @ np.linalg.pinv(covariance) @ gap)
    df = len(names) - 1
    expected = d @ share
    return LogRank(
        statistic,
        float(chi2.sf(statistic, df)),
        df,
        dict(zip(map(str, names), died.sum(axis=0).tolist(), strict=True)),
        dict(zip(map(str, names), expected.tolist(), strict=True)),
    )
