"""Figures of a cohort's shifts: agreement between patients, quality, groups of patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist

from napari_haiku.analysis.statistics.multiple_testing import benjamini_hochberg

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_PATIENTS = 10
_RESAMPLES = 2000
_KEPT_SHARE = 0.9
_WIDE = 3.0


@dataclass(frozen=True)
class Agreement:
    """How alike the shift of each marker is between patients under one text edit.

    Parameters
    ----------
    n : ndarray of int64, shape (markers,)
        Patients with a shift.
    mean, effect, low, high, p, q : ndarray of float64, shape (markers,)
        Mean, mean over SD, 95 % bootstrap limits over query patients, two-sided
        signed-rank p, and its q over the markers kept. They say that patients
        agree under this text, not that the text beats irrelevant text.
    kept : ndarray of bool, shape (markers,)
        Known in nine of ten patients, and not more than three times as spread
        as the median marker.
    """

    n: NDArray[np.int64]
    mean: NDArray[np.float64]
    effect: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    kept: NDArray[np.bool_]


def agreement(theta: NDArray[np.float64], *, seed: int) -> Agreement:
    """Test each marker over patients, as published.

    Parameters
    ----------
    theta : ndarray, shape (patients, markers)
        Mean shift of each patient, NaN where there is none.
    seed : int
        Seed of the bootstrap; one stream is walked over all markers in order.
    """
    n_patients, n_markers = theta.shape
    rng = np.random.default_rng(seed)
    known = np.isfinite(theta)
    n = known.sum(axis=0)
    out = {
        name: np.full(n_markers, np.nan) for name in ("mean", "effect", "low", "high", "p", "sd")
    }
    for marker in range(n_markers):
        values = theta[known[:, marker], marker]
        if len(values) < MIN_PATIENTS:
            continue
        drawn = values[rng.integers(0, len(values), size=(_RESAMPLES, len(values)))].mean(axis=1)
        spread = float(values.std(ddof=1))
        out["mean"][marker] = values.mean()
        out["low"][marker], out["high"][marker] = np.percentile(drawn, [2.5, 97.5])
        out["sd"][marker] = values.std()
        if spread > 0:
            out["effect"][marker] = values.mean() / spread
        if values.any():
            out["p"][marker] = stats.wilcoxon(values).pvalue
    enough = np.isfinite(out["mean"]) & (n >= int(_KEPT_SHARE * n_patients))
    kept = enough.copy()
    if enough.any():
        kept &= out["sd"] <= _WIDE * np.median(out["sd"][enough])
    q = benjamini_hochberg(np.where(kept, out["p"], np.nan))
    return Agreement(n, out["mean"], out["effect"], out["low"], out["high"], out["p"], q, kept)


@dataclass(frozen=True)
class Groups:
    """Patients and markers in the order of their likeness.

    Parameters
    ----------
    patients, markers : ndarray of int64
        Order of the rows and columns.
    patient_group, marker_group : ndarray of int64
        Cluster of each, from 1, at most four.
    standardised : ndarray, shape (patients, markers)
        Shifts in SD over patients, gaps filled with the marker's mean.
    scores : ndarray, shape (patients, 2)
        Principal components of the shifts.
    loadings : ndarray, shape (2, markers)
        What they are made of.
    explained : ndarray, shape (2,)
        Share of the variance of each.
    """

    patients: NDArray[np.int64]
    markers: NDArray[np.int64]
    patient_group: NDArray[np.int64]
    marker_group: NDArray[np.int64]
    standardised: NDArray[np.float64]
    scores: NDArray[np.float64]
    loadings: NDArray[np.float64]
    explained: NDArray[np.float64]


def group_shifts(theta: NDArray[np.float64]) -> Groups | None:
    """Group patients and markers by average linkage on correlation distance.

    Parameters
    ----------
    theta : ndarray, shape (patients, markers)
        Shifts of the markers kept.

    Returns
    -------
    Groups or None
        None with fewer than three patients or three markers.
    """
    if min(theta.shape) < 3:
        return None
    standard = standardise(theta, *scale_of(theta))
    centred = standard - standard.mean(axis=0)
    u, size, loadings = np.linalg.svd(centred, full_matrices=False)
    total = float((size**2).sum())
    # A component's sign is a matter of taste; its largest loading is made positive.
    sign = np.sign(loadings[np.arange(2), np.abs(loadings[:2]).argmax(axis=1)])
    orders, groups = zip(*(_linked(part) for part in (standard, standard.T)), strict=True)
    return Groups(
        orders[0],
        orders[1],
        groups[0],
        groups[1],
        standard,
        u[:, :2] * size[:2] * sign,
        loadings[:2] * sign[:, None],
        (size[:2] ** 2 / total) if total > 0 else np.zeros(2),
    )


def scale_of(theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and population SD of each marker over the patients that have it; SD 1 for none."""
    known = np.isfinite(theta)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, theta, 0).sum(axis=0) / count
    sd = np.sqrt((np.where(known, theta - mean, 0) ** 2).sum(axis=0) / count)
    return mean, np.where(sd > 0, sd, 1.0)


def standardise(
    theta: NDArray[np.float64], mean: NDArray[np.float64], sd: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Express shifts in SD over patients, gaps filled with the marker's mean."""
    return np.where(np.isfinite(theta), (theta - mean) / sd, 0.0)


def _linked(rows: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    centred = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    flat = length[:, 0] <= 1e-12
    # A row that does not vary is like no other: it gets a direction of its own.
    unit = np.where(flat[:, None], 0.0, centred / np.where(length > 0, length, 1))
    distance = np.clip(pdist(np.hstack([unit, np.eye(len(rows))[:, flat]]), "cosine"), 0, 2)
    tree = hierarchy.linkage(distance, "average")
    cut = hierarchy.fcluster(tree, min(4, len(rows)), "maxclust")
    return hierarchy.leaves_list(tree).astype(np.int64), cut.astype(np.int64)
