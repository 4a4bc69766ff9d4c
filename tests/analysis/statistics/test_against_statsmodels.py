"""Agreement with statsmodels, whose answers scripts/make_library_goldens.py keeps."""

from __future__ import annotations

import numpy as np
import pytest
from library_cases import goldens, p_values, stage_cohort

from napari_haiku.analysis.counterfactual.contrast import choose_groups, contrast_patients
from napari_haiku.analysis.counterfactual.record_fields import PatientRecords
from napari_haiku.analysis.statistics.multiple_testing import benjamini_hochberg


def test_q_is_that_of_multipletests():
    p = p_values()
    known = np.isfinite(p)
    q = benjamini_hochberg(p)
    np.testing.assert_allclose(q[known], goldens()["benjamini_hochberg"])
    assert np.isnan(q[7])


def test_the_adjusted_contrast_is_that_of_least_squares():
    cohort = stage_cohort()
    names = tuple(f"p{number:02d}" for number in range(len(cohort)))
    table = cohort[["stage", "sex", "age"]].astype({"age": str}).astype(object)
    records = PatientRecords(names, table.set_axis(list(names)))
    comparison = choose_groups(records, {"stage": "II"}, {"stage": "IV"})
    assert comparison.adjusted_for == ("sex", "age")
    found = contrast_patients(cohort["y"].to_numpy()[:, None, None], comparison, seed=0)
    theirs = goldens()["least_squares"]
    assert found.difference[0, 0] == pytest.approx(theirs["difference"])
    assert found.low[0, 0] == pytest.approx(theirs["low"])
    assert found.high[0, 0] == pytest.approx(theirs["high"])
    assert found.p[0, 0] == pytest.approx(theirs["p"], abs=0.03)
