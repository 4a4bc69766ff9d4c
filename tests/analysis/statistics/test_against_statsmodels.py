"""Agreement with statsmodels, where it is installed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_haiku.analysis.counterfactual.contrast import choose_groups, contrast_patients
from napari_haiku.analysis.counterfactual.record_fields import PatientRecords
from napari_haiku.analysis.statistics.multiple_testing import benjamini_hochberg

pytest.importorskip("statsmodels", reason="statsmodels is not installed")


def test_q_is_that_of_multipletests():
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(0).uniform(size=200) ** 2
    p[7] = np.nan
    known = np.isfinite(p)
    q = benjamini_hochberg(p)
    np.testing.assert_allclose(q[known], multipletests(p[known], method="fdr_bh")[1])
    assert np.isnan(q[7])


def test_the_adjusted_contrast_is_that_of_least_squares():
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    n = 60
    stage = np.where(rng.uniform(size=n) < 0.5, "II", "IV")
    sex, age = rng.choice(["f", "m"], n), rng.integers(40, 80, n)
    y = 0.6 * (stage == "IV") + 0.4 * (sex == "m") + 0.02 * age + rng.normal(size=n)
    names = tuple(f"p{number:02d}" for number in range(n))
    table = pd.DataFrame({"stage": stage, "sex": sex, "age": age.astype(str)}, dtype=object)
    records = PatientRecords(names, table.set_axis(list(names)))
    comparison = choose_groups(records, {"stage": "II"}, {"stage": "IV"})
    assert comparison.adjusted_for == ("sex", "age")
    found = contrast_patients(y[:, None, None], comparison, seed=0)
    design = sm.add_constant(np.column_stack([stage == "IV", sex == "m", age]).astype(float))
    theirs = sm.OLS(y, design).fit()
    assert found.difference[0, 0] == pytest.approx(theirs.params[1])
    low, high = theirs.conf_int()[1]
    assert found.low[0, 0] == pytest.approx(low)
    assert found.high[0, 0] == pytest.approx(high)
    assert found.p[0, 0] == pytest.approx(theirs.pvalues[1], abs=0.03)
