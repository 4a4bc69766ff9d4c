"""The table of shifts and its `supported` flag."""

import numpy as np
import pytest

from napari_haiku.analysis.counterfactual.contrast import Contrast
from napari_haiku.analysis.counterfactual.shift_table import ShiftFigures, shift_table

DESIGN_COLUMNS = {
    "niche", "marker", "n", "baseline", "counterfactual", "shift", "ci_low", "ci_high", "p", "q",
    "placebo_p", "tissue_low", "tissue_high", "contrast", "contrast_p", "supported",
}  # fmt: skip


def table(p, difference, contrast_p, shift=(0.5, -0.5)):
    shape = (1, 2)

    def row(values):
        return np.array([values], float)

    nothing = np.full(shape, np.nan)
    contrast = Contrast(row(difference), nothing, nothing, row(contrast_p))
    figures = ShiftFigures(
        n=np.array([[10, 20]]),
        baseline=np.zeros(shape),
        counterfactual=row(shift),
        limits=(nothing, nothing),
        tissue=(nothing, nothing),
        p=row(p),
        placebo_p=nothing,
        placebo_scale=nothing,
        placebo_t_p=nothing,
        contrast=contrast,
        atlas_error=nothing,
        model_error=nothing,
        error=nothing,
        wording_sd=nothing,
        published_p=row([0.5, 0.01]),
    )
    return shift_table(figures, {3: "Stroma"}, ("CD8", "PanCK"))


def test_columns_of_the_design_are_there_and_line_up():
    made = table([0.01, 0.02], [1, 1], [0.01, 0.01])
    assert set(made.columns) >= DESIGN_COLUMNS
    assert made["niche"].tolist() == [3, 3]
    assert made["niche_name"].tolist() == ["Stroma", "Stroma"]
    assert made["marker"].tolist() == ["CD8", "PanCK"]
    assert made["n"].tolist() == [10, 20]
    np.testing.assert_allclose(made["shift"], made["counterfactual"] - made["baseline"])
    np.testing.assert_allclose(made["q"], [0.02, 0.02])
    np.testing.assert_allclose(made["published_q"], [0.5, 0.02])


@pytest.mark.parametrize(
    ("p", "difference", "contrast_p", "supported"),
    [
        ([0.01, 0.01], [1, -1], [0.01, 0.01], [True, True]),
        ([0.01, 0.01], [-1, 1], [0.01, 0.01], [False, False]),
        ([0.04, 0.9], [1, -1], [0.01, 0.01], [False, False]),
        ([0.01, 0.01], [1, -1], [0.06, np.nan], [False, False]),
        ([np.nan, np.nan], [1, -1], [0.01, 0.01], [False, False]),
        ([0.01, 0.01], [np.nan, 0], [0.01, 0.01], [False, False]),
    ],
)
def test_supported_needs_q_sign_and_contrast(p, difference, contrast_p, supported):
    assert table(p, difference, contrast_p)["supported"].tolist() == supported
