"""How well plain looks predict markers, beside which a learned model is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.statistics.correlation import pearson_columns
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_PENALTIES = np.logspace(-2, 4, 13)


@dataclass(frozen=True)
class YardstickResult:
    """Agreement of measured markers with those predicted from hand-made features.

    Parameters
    ----------
    neighbours_r, ridge_r : dict of str to float
        Pearson r on the test patches by marker, from the nearest neighbours in
        feature space and from ridge regression; NaN where not estimable.
    fit_patches, test_patches : int
        Patches fitted on and tested on.
    """

    neighbours_r: dict[str, float]
    ridge_r: dict[str, float]
    fit_patches: int
    test_patches: int

    @property
    def mean_neighbours_r(self) -> float:
        """Mean over the markers that have one."""
        return _mean(self.neighbours_r)

    @property
    def mean_ridge_r(self) -> float:
        """Mean over the markers that have one."""
        return _mean(self.ridge_r)


def measure_yardstick(
    fit_features: NDArray[Any],
    fit_values: NDArray[Any],
    test_features: NDArray[Any],
    test_values: NDArray[Any],
    markers: Sequence[str],
    *,
    k: int = 50,
) -> YardstickResult:
    """Predict markers from features of other patches and compare with the measured.

    Features are standardised by the fit patches. The penalty of the ridge
    regression is chosen by leave-one-out error on the fit patches, marker by
    marker.

    Parameters
    ----------
    fit_features, test_features : ndarray, shape (n, features)
        For example :func:`napari_haiku.analysis.biomarkers.hand_made_features.hand_made_features`.
    fit_values, test_values : ndarray, shape (n, markers)
        Measured markers; NaN where not measured.
    markers : sequence of str
        Their names.
    k : int
        Neighbours averaged.

    Raises
    ------
    HaikuError
        There is nothing to fit on or to test on.
    """
    if not len(fit_features) or not len(test_features):
        raise HaikuError("The yardstick needs patches to fit on and patches to test on.")
    from sklearn.linear_model import RidgeCV
    from sklearn.neighbors import KNeighborsRegressor

    centre, spread = fit_features.mean(axis=0), fit_features.std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    fit, test = (fit_features - centre) / spread, (test_features - centre) / spread
    near = np.full(test_values.shape, np.nan)
    line = near.copy()
    for marker in range(len(markers)):
        known = np.isfinite(fit_values[:, marker])
        if known.sum() < 2:
            continue
        outcome = np.asarray(fit_values[known, marker], np.float64)
        neighbours = KNeighborsRegressor(min(k, int(known.sum())))
        near[:, marker] = neighbours.fit(fit[known], outcome).predict(test)
        line[:, marker] = RidgeCV(_PENALTIES).fit(fit[known], outcome).predict(test)
    return YardstickResult(
        dict(zip(markers, pearson_columns(test_values, near).tolist(), strict=True)),
        dict(zip(markers, pearson_columns(test_values, line).tolist(), strict=True)),
        len(fit_features),
        len(test_features),
    )


def _mean(r: dict[str, float]) -> float:
    known = [value for value in r.values() if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
