"""Intervals over patients: each resample draws as many patients as there are, with return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.statistics.intervals import percentile_limits
from napari_haiku.evaluation.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

RESAMPLES = 1000
# With fewer patients the percentiles of a bootstrap say nothing.
MIN_PATIENTS = 3
_CASES_AT_ONCE = 2_000_000


class PatientResampling:
    """Resamples of the patients behind a set of cases.

    Parameters
    ----------
    patients : array-like, shape (n,)
        Patient of each case: ids or numbers.
    seed : int
        Seed of the draws.
    resamples : int
        How many.
    """

    def __init__(self, patients: ArrayLike, *, seed: int, resamples: int = RESAMPLES) -> None:
        ids, number = np.unique(np.asarray(patients), return_inverse=True)
        self.number: NDArray[np.int64] = number.astype(np.int64).ravel()
        self.n_patients = len(ids)
        rng = np.random.default_rng([seed, 7])
        share = np.full(self.n_patients, 1 / max(1, self.n_patients))
        self.counts: NDArray[np.int64] = (
            rng.multinomial(self.n_patients, share, size=resamples)
            if self.n_patients
            else np.zeros((resamples, 0), np.int64)
        )

    def __len__(self) -> int:
        return len(self.number)

    def mean(self, values: ArrayLike, *, chance: float | None = None, note: str = "") -> Figure:
        """Mean over the cases with its interval; NaN cases are left out.

        Parameters
        ----------
        values : array-like, shape (n,)
            One value a case.
        chance : float, optional
            What knowing nothing gives.
        note : str
            How to read it.
        """
        cases = np.asarray(values, np.float64)
        known = np.isfinite(cases)
        sums = self.per_patient(np.stack([np.where(known, cases, 0), known], axis=1))

        def ratio(total: NDArray[np.float64]) -> NDArray[np.float64]:
            with np.errstate(invalid="ignore", divide="ignore"):
                quotient: NDArray[np.float64] = total[..., 0] / total[..., 1]
            return quotient

        value, ci = self.of_sums(sums, ratio)
        return Figure(value, ci, int(known.sum()), chance, note)

    def median(self, values: ArrayLike, *, chance: float | None = None, note: str = "") -> Figure:
        """Lower median over the cases with its interval."""
        cases = np.asarray(values, np.float64)
        if not len(cases):
            return Figure(None, None, 0, chance, note)
        order = np.argsort(cases, kind="stable")
        ordered, of = cases[order], self.number[order]
        value = float(ordered[(len(ordered) - 1) // 2])
        found = np.full(len(self.counts), np.nan)
        step = max(1, _CASES_AT_ONCE // len(cases))
        for start in range(0, len(self.counts), step):
            reached = np.cumsum(self.counts[start : start + step][:, of], axis=1)
            half = np.maximum((reached[:, -1:] + 1) // 2, 1)
            found[start : start + step] = ordered[
                (reached < half).sum(axis=1).clip(max=len(of) - 1)
            ]
        return Figure(value, self.limits(found), len(cases), chance, note)

    def of_sums(
        self, sums: NDArray[Any], statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    ) -> tuple[float | None, tuple[float, float] | None]:
        """Value and interval of a statistic that depends on sums over patients.

        Parameters
        ----------
        sums : ndarray, shape (patients, ...)
            One entry a patient, in the order of :attr:`number`.
        statistic : callable
            From summed entries, shape (resamples, ...), to (resamples,).
        """
        flat = np.asarray(sums, np.float64).reshape(self.n_patients, -1)
        shape = np.shape(sums)[1:]
        whole = statistic(flat.sum(axis=0).reshape(1, *shape))[0]
        found = np.empty(len(self.counts))
        step = max(1, _CASES_AT_ONCE // max(1, flat.shape[1]))
        for start in range(0, len(self.counts), step):
            drawn = self.counts[start : start + step].astype(np.float64) @ flat
            found[start : start + step] = statistic(drawn.reshape(-1, *shape))
        value = float(whole) if np.isfinite(whole) else None
        return value, None if value is None else self.limits(found)

    def limits(self, found: NDArray[np.float64]) -> tuple[float, float] | None:
        """95 % limits of resampled values; None where they are not estimable."""
        if self.n_patients < MIN_PATIENTS:
            return None
        low, high = percentile_limits(found[None], 0.95)
        if not (np.isfinite(low[0]) and np.isfinite(high[0])):
            return None
        return float(low[0]), float(high[0])

    def per_patient(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sum values, shape (n, ...), over the cases of each patient."""
        flat = np.asarray(values, np.float64).reshape(len(self.number), -1)
        sums = np.zeros((self.n_patients, flat.shape[1]))
        np.add.at(sums, self.number, flat)
        return sums.reshape(self.n_patients, *np.shape(values)[1:])
