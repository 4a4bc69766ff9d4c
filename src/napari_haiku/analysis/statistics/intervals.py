"""Intervals of shifts: over the atlas's patients, and over the slide's tissue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from napari_haiku.analysis.statistics.linear_error import error_of_pulls, patient_pulls
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MIN_PATIENTS = 5
MIN_BLOCKS = 3
BLOCK_UM = 500.0
_PATCHES_AT_ONCE = 4
_MISSING_ALLOWED = 0.1


@dataclass(frozen=True)
class Candidates:
    """The best candidates of each patch under one caption, best first.

    Parameters
    ----------
    rows : ndarray of int64, shape (n, 6 k)
        Atlas rows, -1 where the gallery ran out.
    k : int
        Neighbours that make up the read-out; the rest stand in for them when
        their patient is not drawn.
    """

    rows: NDArray[np.int64]
    k: int


@dataclass(frozen=True)
class PatientBootstrap:
    """Niche means of the shift under resampled atlases.

    Parameters
    ----------
    shifts : ndarray of float64, shape (niches, markers, resamples)
        NaN where a resample holds no patient that measured the marker.
    short : float
        Share of read-outs in which even all candidates together gave fewer
        than k neighbours.
    pulls : ndarray of float64, shape (patients, niches, markers)
        How much each patient pulls on each shift; their spread is the error.
    """

    shifts: NDArray[np.float64]
    short: float
    pulls: NDArray[np.float64]

    def in_units(self, unit: NDArray[np.float64]) -> PatientBootstrap:
        """Express the shifts in a unit of each marker, such as its SD."""
        return PatientBootstrap(self.shifts / unit[None, :, None], self.short, self.pulls / unit)

    def interval(
        self, shift: NDArray[np.float64], level: float = 0.95
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Limits of each shift, shape (niches, markers) each: see :func:`calibrated_limits`.

        Parameters
        ----------
        shift : ndarray, shape (niches, markers)
            Where it is not estimable the limits are not either.
        level : float
            Nominal coverage of the shift repeated over atlases.
        """
        error = error_of_pulls(self.pulls)
        return calibrated_limits(self.shifts, shift, error, len(self.pulls), level)

    def error(self, shift: NDArray[np.float64]) -> NDArray[np.float64]:
        """Estimate the standard error of each shift over atlases; NaN where `shift` is."""
        missing = np.isnan(self.shifts).mean(axis=-1)
        usable = (missing <= _MISSING_ALLOWED) & np.isfinite(shift)
        return np.where(usable, error_of_pulls(self.pulls), np.nan)


def calibrated_limits(
    resampled: NDArray[np.float64],
    shift: NDArray[np.float64],
    error: NDArray[np.float64],
    n_patients: int,
    level: float = 0.95,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentile limits whose width is brought to the standard error.

    Resamples of the atlas's patients give the shape of the interval; they
    spread too wide (see :func:`.linear_error.error_of_pulls`), so their
    distances from their mean are multiplied by error / SD of the resamples and
    laid around the shift.

    Parameters
    ----------
    resampled : ndarray, shape (..., resamples)
        Resampled shifts.
    shift, error : ndarray, shape (...)
        The shift itself and its standard error over atlases.
    n_patients : int
        Patients that the error was estimated from: few of them widen the limits
        as they widen those of a mean (Student's t).
    level : float
        Nominal coverage.

    Returns
    -------
    low, high : ndarray of float64, shape (...)
        NaN where `shift` is, or more than a tenth of the resamples gave no value.
    """
    low, high = percentile_limits(resampled, level)
    known = np.isfinite(shift) & np.isfinite(low) & np.isfinite(error)
    centre, spread = np.zeros(shift.shape), np.zeros(shift.shape)
    if known.any():
        centre[known] = np.nanmean(resampled[known], axis=-1)
        spread[known] = np.nanstd(resampled[known], axis=-1, ddof=1)
    tail = 0.5 + level / 2
    few = stats.t.ppf(tail, max(1, n_patients - 1)) / stats.norm.ppf(tail)
    scale = np.where(spread > 0, few * error / np.where(spread > 0, spread, 1), 0)
    return (
        np.where(known, shift + (low - centre) * scale, np.nan),
        np.where(known, shift + (high - centre) * scale, np.nan),
    )


def bootstrap_patients(
    baseline: Candidates,
    edited: Candidates,
    values: NDArray[np.float32],
    patients: NDArray[np.int64],
    niches: NDArray[np.int64],
    *,
    niche_numbers: Sequence[int],
    resamples: int,
    seed: int,
) -> Job[PatientBootstrap]:
    """Resample the atlas's patients and read the shift off each resampled atlas.

    A resample draws as many patients as the atlas has, with replacement. Each
    patch's neighbours are filled up again from its best candidates, a patient
    drawn twice counting twice; both captions see the same resample. No new
    search is needed.

    Parameters
    ----------
    baseline, edited : Candidates
        Candidates of the same patches under the two captions.
    values : ndarray of float32, shape (atlas rows, markers)
        Marker values, NaN where not measured; may be memory-mapped.
    patients : ndarray of int64, shape (atlas rows,)
        Patient of each atlas row as a number from 0, -1 for patients that are
        not part of the gallery.
    niches : ndarray of int64, shape (n,)
        Niche of each patch.
    niche_numbers : sequence of int
        Niches in the order of the result.
    resamples : int
        Number of resampled atlases.
    seed : int
        Seed of the draws.
    """
    n_patients = int(patients.max(initial=-1)) + 1
    counts = _multiplicities(n_patients, resamples, seed)
    n_markers = values.shape[1]
    total = np.zeros((len(niche_numbers), n_markers, resamples))
    patches = np.zeros((len(niche_numbers), n_markers, resamples), np.int64)
    short = 0
    for start in range(0, len(niches), _PATCHES_AT_ONCE):
        yield Progress(start, len(niches), "Resampling the atlas's patients")
        part = slice(start, start + _PATCHES_AT_ONCE)
        before, short_before = _readout(baseline, part, values, patients, counts)
        after, short_after = _readout(edited, part, values, patients, counts)
        short += short_before + short_after
        change = after - before
        for place, number in enumerate(niche_numbers):
            here = change[niches[part] == number]
            known = np.isfinite(here)
            total[place] += np.where(known, here, 0).sum(axis=0)
            patches[place] += known.sum(axis=0)
    with np.errstate(invalid="ignore"):
        shifts = total / np.where(patches > 0, patches, np.nan)
    pulls = patient_pulls(
        baseline.rows,
        edited.rows,
        baseline.k,
        values,
        patients,
        niches,
        niche_numbers=niche_numbers,
    )
    return PatientBootstrap(shifts, short / max(1, 2 * len(niches) * resamples), pulls)


def _multiplicities(n_patients: int, resamples: int, seed: int) -> NDArray[np.int16]:
    """How often each patient is drawn, shape (patients + 1, resamples).

    The last row, reached through patient number -1, is never drawn.
    """
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(n_patients, np.full(n_patients, 1 / n_patients), size=resamples)
    return np.vstack([draws.T, np.zeros((1, resamples), draws.dtype)]).astype(np.int16)


def _readout(
    candidates: Candidates,
    part: slice,
    values: NDArray[np.float32],
    patients: NDArray[np.int64],
    counts: NDArray[np.int16],
) -> tuple[NDArray[np.float32], int]:
    """Mean of the refilled neighbours, shape (patches, markers, resamples)."""
    rows = candidates.rows[part]
    drawn = counts[np.where(rows >= 0, patients[rows], -1)]
    # int32: six k candidates of one patient drawn often add up past int16.
    before = np.cumsum(drawn, axis=1, dtype=np.int32) - drawn
    weights = np.clip(candidates.k - before, 0, drawn).astype(np.float32)
    short = int((weights.sum(axis=1) < candidates.k).sum())
    columns = values[rows].swapaxes(1, 2)
    known = np.isfinite(columns)
    total = np.where(known, columns, np.float32(0)) @ weights
    weight = known.astype(np.float32) @ weights
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: NDArray[np.float32] = np.where(weight > 0, total / weight, np.nan)
    return mean, short


def bootstrap_blocks(
    shift: NDArray[Any],
    centres_um: NDArray[Any],
    niches: NDArray[np.int64],
    *,
    niche_numbers: Sequence[int],
    resamples: int,
    seed: int,
    block_um: float = BLOCK_UM,
    level: float = 0.95,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How even a shift is over this tissue: a bootstrap of square blocks.

    This describes the slide at hand. It is no evidence beyond it: all blocks
    share one pair of captions and one atlas.

    Parameters
    ----------
    shift : ndarray, shape (n, markers)
        Shift of each patch.
    centres_um : ndarray, shape (n, 2)
        Patch centres.
    niches : ndarray of int64, shape (n,)
        Niche of each patch.
    niche_numbers : sequence of int
        Niches in the order of the result.
    resamples, seed : int
        Number of resamples and seed of the draws.
    block_um : float
        Side of a block.
    level : float
        Nominal coverage.

    Returns
    -------
    low, high : ndarray of float64, shape (niches, markers)
        NaN where the niche lies in fewer than three blocks.
    """
    low = np.full((len(niche_numbers), shift.shape[1]), np.nan)
    high = low.copy()
    cells = np.floor(np.asarray(centres_um, np.float64) / block_um).astype(np.int64)
    for place, number in enumerate(niche_numbers):
        here = niches == number
        if not here.any():
            continue
        _, block = np.unique(cells[here], axis=0, return_inverse=True)
        n_blocks = int(block.max()) + 1
        if n_blocks < MIN_BLOCKS:
            continue
        known = np.isfinite(shift[here])
        sums = np.zeros((n_blocks, shift.shape[1]))
        sizes = np.zeros_like(sums)
        np.add.at(sums, block.ravel(), np.where(known, shift[here], 0))
        np.add.at(sizes, block.ravel(), known)
        rng = np.random.default_rng([seed, int(number)])
        draws = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=resamples)
        size = draws @ sizes
        with np.errstate(invalid="ignore"):
            means = (draws @ sums) / np.where(size > 0, size, np.nan)
        low[place], high[place] = percentile_limits(means.T, level)
    return low, high


def percentile_limits(
    resampled: NDArray[np.float64], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentile limits over the last axis.

    Returns
    -------
    low, high : ndarray of float64
        NaN where more than a tenth of the resamples gave no value.
    """
    missing = np.isnan(resampled).mean(axis=-1)
    usable = missing <= _MISSING_ALLOWED
    low = np.full(resampled.shape[:-1], np.nan)
    high = low.copy()
    if usable.any():
        tails = [50 * (1 - level), 50 * (1 + level)]
        low[usable], high[usable] = np.nanpercentile(resampled[usable], tails, axis=-1)
    return low, high
