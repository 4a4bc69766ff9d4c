"""A linear probe tuned and tested on patients that it was not fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.jobs import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.jobs import Job

# Share of the mean variance of a column that is added to every column's.
PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
PUBLISHED_PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)
FOLDS, INNER_FOLDS = 5, 3
# Patches fitted on; more of the same patients add time and little else.
MAX_PATCHES = 4000
_PUBLISHED_ITERATIONS = 50_000


@dataclass(frozen=True)
class Probed:
    """What a probe said of rows that it was not fitted on.

    Parameters
    ----------
    scores : ndarray of float64, shape (n, classes)
        Score of each class, larger is likelier; NaN for rows that no fold could
        test.
    penalties : tuple of float
        The penalty chosen in each fold.
    """

    scores: NDArray[np.float64]
    penalties: tuple[float, ...]

    @property
    def said(self) -> NDArray[np.int64]:
        """Likeliest class; -1 where nothing was said."""
        best: NDArray[np.int64] = np.nan_to_num(self.scores, nan=-np.inf).argmax(axis=1)
        return np.where(np.isfinite(self.scores).all(axis=1), best, -1)


def probe(
    vectors: NDArray[np.float32],
    classes: NDArray[np.int64],
    patients: NDArray[np.int64],
    n_classes: int,
    *,
    seed: int,
    doing: str,
) -> Job[Probed]:
    """Nested cross-validation with patients dealt to the folds.

    Each fold is tested on patients that neither fitting nor tuning saw; the
    penalty is chosen by inner folds, again by patient, for the largest macro-F1.
    The classifier is ridge regression onto the classes, each class weighing
    alike: all penalties come from one decomposition, so that every method can
    be tuned fully.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        What the classes are read from; standardised by the fitted rows.
    classes, patients : ndarray of int64, shape (n,)
        Class and patient of each row.
    n_classes : int
        How many classes there are.
    seed : int
        Deals the patients.
    doing : str
        What the progress says.
    """
    outer = patient_folds(classes, patients, FOLDS, seed)
    scores = np.full((len(vectors), n_classes), np.nan)
    chosen = []
    for fold in range(int(outer.max()) + 1):
        yield Progress(fold, int(outer.max()) + 1, doing, "folds")
        train = _thinned(np.flatnonzero(outer != fold), patients, seed + fold)
        test = np.flatnonzero(outer == fold)
        if len(np.unique(classes[train])) < 2:
            continue
        penalty = _tuned(vectors[train], classes[train], patients[train], seed + fold)
        chosen.append(penalty)
        line = RidgeClassifier(vectors[train], classes[train], n_classes)
        scores[test] = line.scores(vectors[test], penalty)
    return Probed(scores, tuple(chosen))


def published_probe(
    vectors: NDArray[np.float32], classes: NDArray[np.int64], n_classes: int, *, doing: str
) -> Job[Probed]:
    """Do as the paper does: folds of patches, the penalty chosen on the very same folds.

    Patches of one patient stand on both sides, so this flatters.
    """
    from sklearn.model_selection import StratifiedKFold

    folds = min(5, int(np.bincount(classes)[np.unique(classes)].min()))
    if folds < 2:
        return Probed(np.full((len(vectors), n_classes), np.nan), ())
    splits = list(StratifiedKFold(folds, shuffle=True, random_state=42).split(vectors, classes))
    best, best_f1, best_penalty = np.empty((0, 0)), -1.0, 0.0
    for number, penalty in enumerate(PUBLISHED_PENALTIES):
        yield Progress(number, len(PUBLISHED_PENALTIES), doing, "penalties")
        scores = np.full((len(vectors), n_classes), np.nan)
        f1 = []
        for train, test in splits:
            scores[test] = _logistic(
                vectors[train], classes[train], vectors[test], n_classes, penalty
            )
            f1.append(_macro_f1(classes[test], scores[test].argmax(axis=1)))
        if np.mean(f1) > best_f1:
            best, best_f1, best_penalty = scores, float(np.mean(f1)), penalty
    return Probed(best, (best_penalty,))


def patient_folds(
    classes: NDArray[np.int64], patients: NDArray[np.int64], folds: int, seed: int
) -> NDArray[np.int64]:
    """Fold of each row; a patient's rows stay together, classes are spread evenly.

    Patients are dealt class by class (each patient's most frequent one), in an
    order drawn by the seed, to whichever fold has fewest.
    """
    ids, number = np.unique(patients, return_inverse=True)
    table = np.zeros((len(ids), int(classes.max(initial=0)) + 1))
    np.add.at(table, (number, classes), 1)
    main = table.argmax(axis=1)
    rng = np.random.default_rng([seed, 13])
    folds = max(1, min(folds, len(ids)))
    fold_of = np.zeros(len(ids), np.int64)
    dealt = 0
    for each in np.unique(main):
        for patient in rng.permutation(np.flatnonzero(main == each)):
            fold_of[patient] = dealt % folds
            dealt += 1
    result: NDArray[np.int64] = fold_of[number]
    return result


class RidgeClassifier:
    """Ridge regression onto one column a class, each class weighing alike.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        Fitted rows; standardised by themselves.
    classes : ndarray of int64, shape (n,)
        Their classes.
    n_classes : int
        How many there are; one without a row is never said.
    """

    def __init__(
        self, vectors: NDArray[np.float32], classes: NDArray[np.int64], n_classes: int
    ) -> None:
        rows = np.asarray(vectors, np.float64)
        counts = np.bincount(classes, minlength=n_classes)
        self._absent = counts == 0
        weight = 1 / (counts[classes] * (counts > 0).sum())
        self._centre = weight @ rows
        spread = np.sqrt(weight @ (rows - self._centre) ** 2)
        self._spread = np.where(spread > 1e-12, spread, 1)
        rows = (rows - self._centre) / self._spread
        target = np.eye(n_classes)[classes] - weight @ np.eye(n_classes)[classes]
        values, self._axes = np.linalg.eigh((rows * weight[:, None]).T @ rows)
        self._values = np.clip(values, 0, None)
        self._along = self._axes.T @ ((rows * weight[:, None]).T @ target)

    def scores(self, vectors: NDArray[np.float32], penalty: float) -> NDArray[np.float64]:
        """Score of each class, (n, classes)."""
        rows = (np.asarray(vectors, np.float64) - self._centre) / self._spread
        line = self._axes @ (self._along / (self._values + penalty)[:, None])
        out: NDArray[np.float64] = rows @ line
        out[:, self._absent] = -1e6
        return out


def _tuned(
    vectors: NDArray[np.float32],
    classes: NDArray[np.int64],
    patients: NDArray[np.int64],
    seed: int,
) -> float:
    inner = patient_folds(classes, patients, INNER_FOLDS, seed)
    found: list[list[float]] = [[] for _ in PENALTIES]
    n = int(classes.max()) + 1
    for fold in range(int(inner.max()) + 1):
        train, test = inner != fold, inner == fold
        if len(np.unique(classes[train])) < 2 or not test.any():
            continue
        line = RidgeClassifier(vectors[train], classes[train], n)
        for place, penalty in enumerate(PENALTIES):
            said = line.scores(vectors[test], penalty).argmax(axis=1)
            found[place].append(_macro_f1(classes[test], said))
    mean = [float(np.mean(each)) if each else 0.0 for each in found]
    return PENALTIES[int(np.argmax(mean))]


def _logistic(
    train: NDArray[np.float32],
    classes: NDArray[np.int64],
    test: NDArray[np.float32],
    n_classes: int,
    inverse_penalty: float,
) -> NDArray[np.float64]:
    """Class log probabilities by the paper's regression: lbfgs, no scaling."""
    from sklearn.linear_model import LogisticRegression

    line = LogisticRegression(C=inverse_penalty, max_iter=_PUBLISHED_ITERATIONS, random_state=42)
    line.fit(train, classes)
    out = np.full((len(test), n_classes), -1e6)
    out[:, line.classes_] = line.predict_log_proba(test)
    return out


def _macro_f1(truth: NDArray[np.int64], said: NDArray[np.int64]) -> float:
    n = int(max(truth.max(), said.max())) + 1
    right = np.bincount(truth[truth == said], minlength=n)
    true, claimed = np.bincount(truth, minlength=n), np.bincount(said, minlength=n)
    f1 = 2 * right / np.maximum(true + claimed, 1)
    return float(f1[true > 0].mean())


def _thinned(rows: NDArray[np.int64], patients: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """At most :data:`MAX_PATCHES` rows, as many of each patient as there are."""
    if len(rows) <= MAX_PATCHES:
        return rows
    rng = np.random.default_rng([seed, 17])
    shuffled = rng.permutation(rows)
    of = patients[shuffled]
    order = np.argsort(of, kind="stable")
    place = np.empty(len(rows), np.int64)
    starts = np.searchsorted(of[order], of[order])
    place[order] = np.arange(len(rows)) - starts
    return np.sort(shuffled[np.argsort(place, kind="stable")[:MAX_PATCHES]])
