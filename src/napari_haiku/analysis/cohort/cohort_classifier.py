"""Do the shifts tell two groups of patients apart: an L1 classifier with an honest test."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.cohort.cohort_tests import scale_of, standardise
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

PENALTIES = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
FOLDS, INNER_FOLDS = 5, 3
_FALLBACK = 0.5
_RESAMPLES = 2000


@dataclass(frozen=True)
class Classification:
    """How well shifts tell two groups apart.

    Parameters
    ----------
    auroc, low, high : float
        Area under the curve of the out-of-fold probabilities, and its 95 %
        bootstrap limits over patients.
    p : float
        Share of label permutations, each refitted from scratch, that reach it;
        NaN without permutations.
    control_auroc : float
        The same from the unedited read-outs: what the edit adds is the
        difference.
    coefficients : ndarray, shape (markers,)
        Mean over the outer folds; positive leans to the positive group.
    penalties : tuple of float
        C chosen in each outer fold.
    positives, negatives : int
        Patients.
    """

    auroc: float
    low: float
    high: float
    p: float
    control_auroc: float
    coefficients: NDArray[np.float64]
    penalties: tuple[float, ...]
    positives: int
    negatives: int


def classify(
    theta: NDArray[np.float64],
    control: NDArray[np.float64],
    positive: NDArray[np.bool_],
    *,
    seed: int,
    permutations: int,
) -> Job[Classification]:
    """Fit, test by refitting under permuted labels, and compare with no edit at all.

    Parameters
    ----------
    theta : ndarray, shape (patients, markers)
        Shifts.
    control : ndarray, shape (patients, markers)
        Read-outs under the record as it reads.
    positive : ndarray of bool, shape (patients,)
        The two groups.
    seed : int
        Seed of folds, permutations and bootstrap.
    permutations : int
        How many.

    Raises
    ------
    HaikuError
        A group with fewer patients than there are folds.
    """
    counts = int(positive.sum()), int((~positive).sum())
    if min(counts) < FOLDS:
        raise HaikuError(
            f"The shifts cannot be asked to tell {counts[0]} patients from {counts[1]}: each group "
            f"needs at least {FOLDS}."
        )
    chances, coefficients, penalties = out_of_fold(theta, positive, seed)
    auroc = area_under_curve(chances, positive)
    rng = np.random.default_rng([seed, 3])
    reached = 0
    for number in range(permutations):
        yield Progress(number, permutations, "Refitting with permuted labels", "permutations")
        shuffled = positive[rng.permutation(len(positive))]
        reached += area_under_curve(out_of_fold(theta, shuffled, seed)[0], shuffled) >= auroc
    control_chances, _, _ = out_of_fold(control, positive, seed)
    low, high = _limits(chances, positive, seed)
    return Classification(
        auroc,
        low,
        high,
        (1 + reached) / (1 + permutations) if permutations else float("nan"),
        area_under_curve(control_chances, positive),
        coefficients,
        penalties,
        *counts,
    )


def out_of_fold(
    theta: NDArray[np.float64], positive: NDArray[np.bool_], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[float, ...]]:
    """Probabilities of held-out patients; standardisation and penalty come from the others.

    Returns
    -------
    chances : ndarray, shape (patients,)
    coefficients : ndarray, shape (markers,)
        Mean over the folds.
    penalties : tuple of float
        C of each fold.
    """
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    chances = np.zeros(len(positive))
    coefficients, penalties = [], []
    for fit, test in folds.split(theta, positive):
        penalty = _penalty(theta[fit], positive[fit], seed)
        weights, offset = _fitted(theta[fit], positive[fit], penalty)
        chances[test] = _scores(theta[fit], theta[test], weights, offset)
        coefficients.append(weights)
        penalties.append(penalty)
    return chances, np.mean(coefficients, axis=0), tuple(penalties)


def area_under_curve(chances: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Chance that a positive patient ranks above a negative one, ties one half."""
    from scipy.stats import rankdata

    ranks = rankdata(chances)
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return float("nan")
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def _penalty(theta: NDArray[np.float64], positive: NDArray[np.bool_], seed: int) -> float:
    """First penalty of the best mean inner AUROC; the fallback where nothing can be told."""
    from sklearn.model_selection import StratifiedKFold

    if min(int(positive.sum()), int((~positive).sum())) < INNER_FOLDS:
        return _FALLBACK
    inner = list(
        StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=seed).split(theta, positive)
    )
    means = []
    for penalty in PENALTIES:
        areas = []
        for fit, test in inner:
            weights, offset = _fitted(theta[fit], positive[fit], penalty)
            areas.append(
                area_under_curve(_scores(theta[fit], theta[test], weights, offset), positive[test])
            )
        means.append(float(np.mean(areas)))
    return _FALLBACK if not np.isfinite(means).all() else PENALTIES[int(np.argmax(means))]


def _fitted(
    theta: NDArray[np.float64], positive: NDArray[np.bool_], penalty: float
) -> tuple[NDArray[np.float64], float]:
    import sklearn
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # The L1 penalty is spelled in two ways; each version warns of the other's.
    modern = tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 8)
    lasso: dict[str, Any] = {"l1_ratio": 1} if modern else {"penalty": "l1"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(
            C=penalty, solver="liblinear", max_iter=5000, random_state=1, **lasso
        ).fit(standardise(theta, *scale_of(theta)), positive)
    return np.asarray(model.coef_[0], np.float64), float(model.intercept_[0])


def _scores(
    fit: NDArray[np.float64],
    test: NDArray[np.float64],
    weights: NDArray[np.float64],
    offset: float,
) -> NDArray[np.float64]:
    scores = standardise(test, *scale_of(fit)) @ weights + offset
    chance: NDArray[np.float64] = 1 / (1 + np.exp(-scores))
    return chance


def _limits(
    chances: NDArray[np.float64], positive: NDArray[np.bool_], seed: int
) -> tuple[float, float]:
    rng = np.random.default_rng([seed, 4])
    rows = rng.integers(0, len(positive), size=(_RESAMPLES, len(positive)))
    areas = np.array([area_under_curve(chances[row], positive[row]) for row in rows])
    low, high = np.nanpercentile(areas, [2.5, 97.5])
    return float(low), float(high)
