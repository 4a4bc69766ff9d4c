"""What plain looks say about markers, fitted on other patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5
_PENALTIES = np.logspace(-2, 4, 13)


def ridge_by_patient(
    features: NDArray[np.float64],
    values: NDArray[np.float64],
    patients: NDArray[np.int64],
    rows: NDArray[np.bool_],
    *,
    folds: int = FOLDS,
) -> NDArray[np.float64]:
    """Predict each column of `values` by ridge regression on the other patients' rows.

    The penalty of each marker is chosen by leave-one-out error on the fitted
    rows, as in :func:`napari_haiku.analysis.biomarkers.yardstick.measure_yardstick`.

    Parameters
    ----------
    features : ndarray, shape (n, f)
        What is known of each row.
    values : ndarray, shape (n, markers)
        What is predicted; NaN where not measured.
    patients : ndarray of int64, shape (n,)
        Patient of each row; a patient is never fitted and predicted at once.
    rows : ndarray of bool, shape (n,)
        Which rows are fitted on and predicted.
    folds : int
        Parts into which the patients are dealt.

    Returns
    -------
    ndarray of float64, shape (n, markers)
        NaN where nothing was predicted.
    """
    from sklearn.linear_model import RidgeCV

    out = np.full(values.shape, np.nan)
    usable = rows & np.isfinite(features).all(axis=1)
    ids = np.unique(patients[usable])
    folds = min(folds, len(ids))
    if folds < 2:
        return out
    fold_of = np.full(int(patients.max()) + 1, -1)
    fold_of[ids] = np.arange(len(ids)) % folds
    for fold in range(folds):
        test = usable & (fold_of[patients] == fold)
        train = usable & (fold_of[patients] != fold)
        centre, spread = features[train].mean(axis=0), features[train].std(axis=0)
        spread = np.where(spread > 0, spread, 1)
        for marker in range(values.shape[1]):
            known = train & np.isfinite(values[:, marker])
            outcome = values[known, marker]
            if len(outcome) < 2 or outcome.std() == 0:
                continue
            line = RidgeCV(_PENALTIES).fit((features[known] - centre) / spread, outcome)
            out[test, marker] = line.predict((features[test] - centre) / spread)
    return out
