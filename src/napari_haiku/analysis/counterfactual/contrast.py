"""The atlas contrast: patients with one value of a field against patients with another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from napari_haiku.analysis.counterfactual.record_fields import PatientRecords

MIN_PATIENTS_A_SIDE = 5
_PERMUTATIONS = 999
_MAX_LEVELS = 6
_LEAST_OWN_VARIANCE = 0.2


@dataclass(frozen=True)
class Comparison:
    """Two groups of atlas patients and what is held constant between them.

    Parameters
    ----------
    rows : ndarray of int64, shape (g,)
        Patients that are in either group, as rows of the patient records.
    edited : ndarray of bool, shape (g,)
        True for patients with the edited values, False for the baseline's.
    adjustment : ndarray of float64, shape (g, 1 + columns)
        Constant and the columns of the fields adjusted for.
    adjusted_for : tuple of str
        Those fields.
    """

    rows: NDArray[np.int64]
    edited: NDArray[np.bool_]
    adjustment: NDArray[np.float64]
    adjusted_for: tuple[str, ...]


@dataclass(frozen=True)
class Contrast:
    """Difference of patient means, edited minus baseline, one value a row asked for.

    Parameters
    ----------
    difference, low, high, p : ndarray of float64, shape (niches, markers)
        Adjusted difference, its 95 % t interval and its two-sided p under
        permutation of patients. NaN: not estimable, fewer than five patients
        on a side or markers without variation.
    """

    difference: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p: NDArray[np.float64]


def choose_groups(
    records: PatientRecords,
    baseline: Mapping[str, str],
    edits: Mapping[str, str],
    *,
    not_adjusted: Collection[str] = (),
) -> Comparison:
    """Sort the atlas's patients into the two groups and choose the adjustment.

    A patient belongs to a group when the record carries all edited values, or
    all baseline values, of the edited fields. Other recorded fields are adjusted
    for, in record order, while enough patients are left to do so; a field that
    travels with the edit so closely that it explains more than four fifths of
    the grouping is left out, since holding it constant would leave nothing.

    Parameters
    ----------
    records : PatientRecords
        Patients that serve as evidence; the one asked about is not among them.
    baseline, edits : mapping
        Value of each edited field before and after.
    not_adjusted : collection of str
        Fields without meaning, never worth a degree of freedom.
    """
    with_edit = np.ones(len(records.patients), bool)
    with_baseline = with_edit.copy()
    for field, value in edits.items():
        with_edit &= records.carry(field, value, against=baseline[field])
        with_baseline &= records.carry(field, baseline[field], against=value)
    rows = np.flatnonzero(with_edit | with_baseline)
    group = with_edit[rows]
    adjustment = np.ones((len(rows), 1))
    used: list[str] = []
    for field in records.values.columns:
        if field in edits or field in not_adjusted:
            continue
        columns = _design_columns(records, field, rows)
        wider = np.hstack([adjustment, columns])
        if columns.shape[1] and _affordable(wider, group):
            adjustment = wider
            used.append(str(field))
    return Comparison(rows, group, adjustment, tuple(used))


def contrast_patients(
    means: NDArray[np.float64], comparison: Comparison, *, seed: int, level: float = 0.95
) -> Contrast:
    """Estimate the contrast in every niche and marker.

    Parameters
    ----------
    means : ndarray, shape (patients, niches, markers)
        Patient means, NaN where a patient has too little of the niche.
    comparison : Comparison
        Groups and adjustment.
    seed : int
        Seed of the permutations.
    level : float
        Nominal coverage of the interval.

    Notes
    -----
    Outcome and grouping are both freed of the adjustment by least squares; the
    residual outcomes are permuted over patients and freed of it again
    (Freedman and Lane), with the studentised slope as statistic. Without
    adjustment this is the exact permutation test.
    """
    shape = means.shape[1:]
    out = {name: np.full(shape, np.nan) for name in ("difference", "low", "high", "p")}
    for niche in range(shape[0]):
        for marker in range(shape[1]):
            outcome = means[comparison.rows, niche, marker]
            rng = np.random.default_rng([seed, niche, marker])
            row = _one_contrast(outcome, comparison, rng, level)
            if row is not None:
                for name, value in zip(out, row, strict=True):
                    out[name][niche, marker] = value
    return Contrast(**out)


def _one_contrast(
    outcome: NDArray[np.float64], comparison: Comparison, rng: np.random.Generator, level: float
) -> tuple[float, float, float, float] | None:
    known = np.isfinite(outcome)
    group = comparison.edited[known].astype(np.float64)
    sides = (int(group.sum()), int((1 - group).sum()))
    if min(sides) < MIN_PATIENTS_A_SIDE:
        return None
    y = outcome[known]
    if np.ptp(y) <= 1e-12 * max(1.0, float(np.abs(y).max())):
        return None
    # Patients without this niche or marker are gone: the adjustment that all
    # patients could afford may be too wide for those left.
    adjustment = comparison.adjustment[known]
    if not _affordable(adjustment, group.astype(bool)):
        adjustment = np.ones((len(y), 1))
    basis = _orthonormal(adjustment)
    free_group = group - basis @ (basis.T @ group)
    free_y = y - basis @ (basis.T @ y)
    size = float(free_group @ free_group)
    df = len(y) - basis.shape[1] - 1
    if df < 1 or size <= 1e-12 or float(free_y @ free_y) <= 1e-20:
        return None
    slope, error = _slopes(free_y[None], free_group, size, df)
    permuted = free_y[rng.permuted(np.tile(np.arange(len(y)), (_PERMUTATIONS, 1)), axis=1)]
    permuted -= (permuted @ basis) @ basis.T
    slopes, errors = _slopes(permuted, free_group, size, df)
    tiny = np.finfo(np.float64).tiny
    observed = abs(slope[0]) / max(error[0], tiny)
    # A permutation that only rounds differently from the data counts as a tie.
    reached = np.abs(slopes) / np.maximum(errors, tiny) >= observed * (1 - 1e-9)
    p = (1 + int(reached.sum())) / (1 + _PERMUTATIONS)
    half = float(stats.t.ppf(0.5 + level / 2, df)) * float(error[0])
    return float(slope[0]), float(slope[0]) - half, float(slope[0]) + half, p


def _slopes(
    outcomes: NDArray[np.float64], group: NDArray[np.float64], size: float, df: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    slope = (outcomes @ group) / size
    left = (outcomes**2).sum(axis=1) - slope**2 * size
    return slope, np.sqrt(np.maximum(left, 0) / df / size)


def _design_columns(
    records: PatientRecords, field: str, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Columns that stand for a field; none when it cannot be adjusted for.

    A scale is one column, a gap in it filled with the mean; levels are one
    column each but the commonest, "not recorded" being a level of its own.
    """
    entries = list(records.values[field].iloc[rows])
    none = np.empty((len(rows), 0))
    if records.is_scale(field):
        numbers = np.array([float(entry) if entry else np.nan for entry in entries])
        if not np.isfinite(numbers).any():
            return none
        numbers = np.where(np.isfinite(numbers), numbers, np.nanmean(numbers))
        spread = float(numbers.std())
        return (numbers - numbers.mean())[:, None] / spread if spread > 0 else none
    levels = sorted(set(entries), key=lambda entry: (-entries.count(entry), entry))
    if not 1 < len(levels) <= _MAX_LEVELS:
        return none
    return np.array([[float(entry == level) for level in levels[1:]] for entry in entries])


def _affordable(adjustment: NDArray[np.float64], group: NDArray[np.bool_]) -> bool:
    if adjustment.shape[1] == 1:
        return True
    basis = _orthonormal(adjustment)
    left = len(group) - basis.shape[1] - 1
    if left < max(8, len(group) / 2):
        return False
    centred = group - group.mean()
    own = centred - basis @ (basis.T @ centred)
    return float(own @ own) >= _LEAST_OWN_VARIANCE * max(float(centred @ centred), 1e-12)


def _orthonormal(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    u, s, _ = np.linalg.svd(columns, full_matrices=False)
    basis: NDArray[np.float64] = u[:, s > 1e-9 * s[0]]
    return basis
