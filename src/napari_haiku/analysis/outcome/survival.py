"""Cox regression with Efron's handling of ties, plain or with a ridge penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_haiku.analysis.outcome.survival_concordance import c_index
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.analysis.outcome.survival_times import SurvivalTimes

_Z = 1.959963984540054
_STEPS = 60
_HALVINGS = 20
_PRECISION = 1e-10
# Log hazard ratio a standardised covariate never has, unless it separates the deaths.
_RUNAWAY = 12.0


@dataclass(frozen=True)
class CoxResult:
    """A fitted Cox regression.

    Parameters
    ----------
    table : DataFrame
        One row a covariate: `coef`, `se`, `hazard_ratio`, `ci_low`, `ci_high`
        (of the hazard ratio, 95 %), `z`, `p`.
    log_likelihood, log_likelihood_null : float
        Log partial likelihood with and without the covariates.
    p : float
        Likelihood-ratio test of all covariates together.
    c_index : float
        Harrell's C-index on the same patients (optimistic).
    n, events : int
        Patients and deaths.
    """

    table: pd.DataFrame
    log_likelihood: float
    log_likelihood_null: float
    p: float
    c_index: float
    n: int
    events: int


class RiskSets:
    """Who was still followed at each death; made once, used by every Newton step.

    Parameters
    ----------
    times : SurvivalTimes
        Follow-up.
    """

    def __init__(self, times: SurvivalTimes) -> None:
        # Latest first, so that a risk set is everyone up to the last patient of its time.
        self.order = np.lexsort((~times.event, -times.time))
        time, event = times.time[self.order], times.event[self.order]
        ends = np.flatnonzero(np.append(time[1:] != time[:-1], True))
        place = np.searchsorted(ends, np.arange(len(time)))
        deaths = np.bincount(place, event, len(ends))
        self.died = np.flatnonzero(event)
        self.group = np.cumsum(deaths > 0)[place[self.died]] - 1  # tied deaths share a group
        self.end = ends[deaths > 0]
        self.count = deaths[deaths > 0].astype(np.int64)
        self.rank = np.arange(len(self.died)) - self._first()[self.group]
        self.thinning = self.rank / self.count[self.group]

    def log_likelihood(self, log_hazard: NDArray[np.float64]) -> float:
        """Return Efron's log partial likelihood of log hazards in the table's order."""
        eta = log_hazard[self.order]
        top = float(eta.max())
        total, _ = self._sums(np.exp(eta - top))
        return float(eta[self.died].sum() - np.log(total).sum() - top * len(self.died))

    def derivatives(
        self, x: NDArray[np.float64], log_hazard: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the gradient and the information matrix of the log partial likelihood."""
        x, eta = x[self.order], log_hazard[self.order]
        weight = np.exp(eta - eta.max())
        total, _ = self._sums(weight)
        weighted = weight[:, None] * x
        risk = np.cumsum(weighted, axis=0)[self.end][self.group]
        tied = np.add.reduceat(weighted[self.died], self._first(), axis=0)[self.group]
        mean = (risk - self.thinning[:, None] * tied) / total[:, None]
        gradient = x[self.died].sum(axis=0) - mean.sum(axis=0)
        # How much each patient weighs in all risk sets together.
        shares = np.zeros(len(eta))
        np.add.at(shares, self.end[self.group], 1 / total)
        load = np.cumsum(shares[::-1])[::-1]
        thinned = np.bincount(self.group, self.thinning / total, len(self.end))
        load[self.died] -= thinned[self.group]
        information = (x * (weight * load)[:, None]).T @ x - mean.T @ mean
        return gradient, information

    def _first(self) -> NDArray[np.int64]:
        first: NDArray[np.int64] = np.cumsum(self.count) - self.count
        return first

    def _sums(self, weight: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        risk = np.cumsum(weight)[self.end]
        tied = np.add.reduceat(weight[self.died], self._first())
        return risk[self.group] - self.thinning * tied[self.group], risk


def ridge_cox(
    x: NDArray[np.float64],
    sets: RiskSets,
    penalty: float,
    start: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Fit Cox coefficients with a ridge penalty by Newton's method.

    Maximises ``log partial likelihood - n * penalty / 2 * |coefficients|^2``, as
    lifelines does on standardised covariates.

    Parameters
    ----------
    x : ndarray of float64, shape (n, covariates)
        Covariates, centred.
    sets : RiskSets
        Of the same patients.
    penalty : float
        0 for none.
    start : ndarray, optional
        Where to start from, for example the answer under a larger penalty.

    Raises
    ------
    HaikuError
        There is no finite answer.
    """
    weight = len(x) * penalty
    beta: NDArray[np.float64] = np.zeros(x.shape[1]) if start is None else start.copy()

    def height(at: NDArray[np.float64]) -> float:
        return sets.log_likelihood(x @ at) - weight / 2 * float(at @ at)

    best = height(beta)
    for _ in range(_STEPS):
        gradient, information = sets.derivatives(x, x @ beta)
        gradient = gradient - weight * beta
        information = information + weight * np.eye(len(beta))
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            break
        decrement = float(gradient @ step)
        if not np.isfinite(decrement):
            break
        for halving in range(_HALVINGS):
            trial = beta + step / 2**halving
            now = height(trial)
            if np.isfinite(now) and now >= best - 1e-9 * abs(best):
                beta, best = trial, now
                break
        else:
            break
        if not penalty and np.abs(beta).max() > _RUNAWAY:
            break
        if abs(decrement) < _PRECISION * max(1.0, abs(best)) ** 0.5:
            return beta
    raise HaikuError(
        "The Cox regression has no finite answer: a covariate (or a mixture of some) is constant "
        "or separates early deaths from everyone else; leave it out or add a penalty."
    )


def cox_regression(covariates: pd.DataFrame, times: SurvivalTimes) -> CoxResult:
    """Regress survival on covariates.

    Parameters
    ----------
    covariates : DataFrame
        One row a patient in the order of `times`, numeric columns.
    times : SurvivalTimes
        Follow-up.

    Raises
    ------
    HaikuError
        A column is not numeric, is constant or has gaps, rows do not fit, or
        the answer is not finite.
    """
    from scipy.stats import chi2, norm

    x = _numeric(covariates, len(times))
    centre, spread = x.mean(axis=0), x.std(axis=0, ddof=1)
    for column in np.flatnonzero(spread <= 1e-12 * np.maximum(1, np.abs(centre)))[:1]:
        raise HaikuError(
            f"Column '{covariates.columns[column]}' is the same for every patient: leave it out."
        )
    scaled = (x - centre) / spread
    sets = RiskSets(times)
    beta = ridge_cox(scaled, sets, 0.0)
    fitted = scaled @ beta
    _, information = sets.derivatives(scaled, fitted)
    if np.linalg.cond(information) > 1e12:
        raise HaikuError(
            "The Cox regression has no finite answer: column "
            f"'{covariates.columns[int(np.abs(beta).argmax())]}' repeats what other "
            "columns say; leave it out."
        )
    se = np.sqrt(np.diag(np.linalg.inv(information))) / spread
    coef = beta / spread
    z = coef / se
    reached, null = sets.log_likelihood(fitted), sets.log_likelihood(np.zeros(len(x)))
    table = pd.DataFrame(
        {
            "coef": coef,
            "se": se,
            "hazard_ratio": np.exp(coef),
            "ci_low": np.exp(coef - _Z * se),
            "ci_high": np.exp(coef + _Z * se),
            "z": z,
            "p": 2 * norm.sf(np.abs(z)),
        },
        index=covariates.columns,
    )
    return CoxResult(
        table,
        reached,
        null,
        float(chi2.sf(2 * (reached - null), len(coef))),
        c_index(times, fitted),
        len(times),
        times.n_events,
    )


def _numeric(covariates: pd.DataFrame, n: int) -> NDArray[np.float64]:
    if len(covariates) != n or not len(covariates.columns):
        raise HaikuError(
            f"Cox regression needs one row of covariates a patient: {len(covariates)} rows of "
            f"{len(covariates.columns)} covariates for {n} patients."
        )
    columns = []
    for name in covariates.columns:
        column: Any = pd.to_numeric(covariates[name], errors="coerce").to_numpy(np.float64)
        for row in np.flatnonzero(~np.isfinite(column))[:1]:
            raise HaikuError(
                f"Row {row + 1}, column '{name}': '{covariates[name].iloc[row]}' is no number; "
                "Cox regression needs numbers, leave the row or the column out."
            )
        columns.append(column)
    return np.column_stack(columns)
