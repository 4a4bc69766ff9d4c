"""The table of shifts, one row a niche and marker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.statistics.multiple_testing import benjamini_hochberg, q_of_both

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.counterfactual.contrast import Contrast

LEVEL = 0.05
COLUMNS = (
    "niche",
    "niche_name",
    "marker",
    "n",
    "baseline",
    "counterfactual",
    "shift",
    "ci_low",
    "ci_high",
    "p",
    "q",
    "placebo_p",
    "placebo_scale",
    "placebo_t_p",
    "tissue_low",
    "tissue_high",
    "contrast",
    "contrast_low",
    "contrast_high",
    "contrast_p",
    "supported",
    "se_atlas",
    "se_model",
    "se",
    "wording_sd",
    "published_p",
    "published_q",
)


@dataclass(frozen=True)
class ShiftFigures:
    """Everything known about each shift; every array has shape (niches, markers).

    Parameters
    ----------
    n : ndarray of int64
        Patches behind the shift.
    baseline, counterfactual : ndarray of float64
        Mean read-out under either record, SD from the atlas mean.
    limits, tissue : pair of ndarray of float64
        Interval over atlas patients, and over blocks of this tissue.
    p, placebo_p, placebo_scale : ndarray of float64
        Test of the shift, rank among placebo edits, their scale.
    placebo_t_p : ndarray of float64
        Test by placebo edits alone, which q asks too; NaN where not estimable.
    contrast : Contrast
        Difference between atlas patients.
    atlas_error, model_error : ndarray of float64
        Standard error over resampled atlases, and SD over refitted text heads.
    error : ndarray of float64
        Both together, what `p` divides the shift by; NaN where p is from placebo edits.
    wording_sd : ndarray of float64
        SD of the shift over wordings of the edit.
    published_p : ndarray of float64
        Signed-rank test over patches, for comparison only.
    """

    n: NDArray[np.int64]
    baseline: NDArray[np.float64]
    counterfactual: NDArray[np.float64]
    limits: tuple[NDArray[np.float64], NDArray[np.float64]]
    tissue: tuple[NDArray[np.float64], NDArray[np.float64]]
    p: NDArray[np.float64]
    placebo_p: NDArray[np.float64]
    placebo_scale: NDArray[np.float64]
    placebo_t_p: NDArray[np.float64]
    contrast: Contrast
    atlas_error: NDArray[np.float64]
    model_error: NDArray[np.float64]
    error: NDArray[np.float64]
    wording_sd: NDArray[np.float64]
    published_p: NDArray[np.float64]

    @property
    def shift(self) -> NDArray[np.float64]:
        """Counterfactual minus baseline."""
        return self.counterfactual - self.baseline


def shift_table(
    figures: ShiftFigures, niches: Mapping[int, str], markers: Sequence[str]
) -> pd.DataFrame:
    """Lay the figures out as `shifts.csv` has them; NaN means not estimable.

    Parameters
    ----------
    figures : ShiftFigures
        The figures.
    niches : mapping of int to str
        Niches in the order of the figures, with their names.
    markers : sequence of str
        Markers in the order of the figures.

    Notes
    -----
    `q` corrects the larger of `p` and `placebo_t_p`: tables of one model share one
    text direction, and now and then a placebo edit passes the one test or the other,
    hardly ever both.

    `supported`: q below 0.05, and the contrast between atlas patients has the
    same sign with p below 0.05.
    """
    import pandas as pd

    shift = figures.shift
    q = q_of_both(figures.p, figures.placebo_t_p)
    with np.errstate(invalid="ignore"):
        supported = (
            (q < LEVEL)
            & (figures.contrast.p < LEVEL)
            & (np.sign(shift) == np.sign(figures.contrast.difference))
        )
    columns = {
        "niche": np.repeat(list(niches), len(markers)),
        "niche_name": np.repeat(list(niches.values()), len(markers)),
        "marker": np.tile(list(markers), len(niches)),
        "n": figures.n,
        "baseline": figures.baseline,
        "counterfactual": figures.counterfactual,
        "shift": shift,
        "ci_low": figures.limits[0],
        "ci_high": figures.limits[1],
        "p": figures.p,
        "q": q,
        "placebo_p": figures.placebo_p,
        "placebo_scale": figures.placebo_scale,
        "placebo_t_p": figures.placebo_t_p,
        "tissue_low": figures.tissue[0],
        "tissue_high": figures.tissue[1],
        "contrast": figures.contrast.difference,
        "contrast_low": figures.contrast.low,
        "contrast_high": figures.contrast.high,
        "contrast_p": figures.contrast.p,
        "supported": supported,
        "se_atlas": figures.atlas_error,
        "se_model": figures.model_error,
        "se": figures.error,
        "wording_sd": figures.wording_sd,
        "published_p": figures.published_p,
        "published_q": benjamini_hochberg(figures.published_p),
    }
    return pd.DataFrame({name: np.ravel(columns[name]) for name in COLUMNS})
