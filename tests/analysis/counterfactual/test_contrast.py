"""The atlas contrast: groups, adjustment, permutation p."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from napari_haiku.analysis.counterfactual.contrast import choose_groups, contrast_patients
from napari_haiku.analysis.counterfactual.record_fields import PatientRecords


def records_of(**fields):
    n = len(next(iter(fields.values())))
    names = tuple(f"p{i:02d}" for i in range(n))
    return PatientRecords(names, pd.DataFrame(fields, index=list(names), dtype=object))


def stages(n_two, n_four, **more):
    return records_of(stage=["II"] * n_two + ["IV"] * n_four, **more)


def contrast(means, comparison, seed=0):
    means = np.asarray(means, float)
    while means.ndim < 3:
        means = means[..., None]
    return contrast_patients(means, comparison, seed=seed)


def test_without_other_fields_it_is_the_difference_of_means_and_the_t_interval():
    rng = np.random.default_rng(0)
    y = rng.normal(size=20)
    y[12:] += 1
    comparison = choose_groups(stages(12, 8), {"stage": "II"}, {"stage": "IV"})
    result = contrast(y, comparison)
    reference = stats.ttest_ind(y[12:], y[:12])
    assert result.difference[0, 0] == pytest.approx(y[12:].mean() - y[:12].mean())
    interval = reference.confidence_interval()
    assert result.low[0, 0] == pytest.approx(interval.low)
    assert result.high[0, 0] == pytest.approx(interval.high)
    assert result.p[0, 0] == pytest.approx(reference.pvalue, abs=0.03)


def test_permutation_p_agrees_with_scipy():
    rng = np.random.default_rng(3)
    y = rng.exponential(size=30)
    y[15:] *= 1.8
    comparison = choose_groups(stages(15, 15), {"stage": "II"}, {"stage": "IV"})
    reference = stats.permutation_test(
        (y[15:], y[:15]),
        lambda a, b, axis: stats.ttest_ind(a, b, axis=axis).statistic,
        vectorized=True,
        n_resamples=4999,
        rng=0,
    )
    assert contrast(y, comparison).p[0, 0] == pytest.approx(reference.pvalue, abs=0.04)


def test_reverse_edit_reverses_the_sign_only():
    rng = np.random.default_rng(1)
    y = rng.normal(size=20)
    records = stages(10, 10, sex=["f", "m"] * 10)
    there = contrast(y, choose_groups(records, {"stage": "II"}, {"stage": "IV"}))
    back = contrast(y, choose_groups(records, {"stage": "IV"}, {"stage": "II"}))
    assert there.difference[0, 0] == pytest.approx(-back.difference[0, 0])
    assert there.p[0, 0] == pytest.approx(back.p[0, 0])


def test_a_confounder_is_held_constant():
    rng = np.random.default_rng(2)
    n = 60
    site = rng.random(n) < 0.5
    stage = np.where(rng.random(n) < np.where(site, 0.75, 0.25), "IV", "II")
    y = 3.0 * site + 0.1 * rng.normal(size=n)
    records = records_of(stage=list(stage), site=["a" if s else "b" for s in site])
    adjusted = choose_groups(records, {"stage": "II"}, {"stage": "IV"})
    assert adjusted.adjusted_for == ("site",)
    plain = choose_groups(records, {"stage": "II"}, {"stage": "IV"}, not_adjusted=("site",))
    assert contrast(y, plain).difference[0, 0] > 0.5
    assert abs(contrast(y, adjusted).difference[0, 0]) < 0.15


def test_adjustment_agrees_with_least_squares():
    rng = np.random.default_rng(4)
    n = 40
    age = rng.uniform(40, 80, n).round(1)
    stage = np.array(["II", "IV"] * 20)
    y = 0.5 * (stage == "IV") + 0.05 * age + rng.normal(size=n)
    records = records_of(stage=list(stage), age=[f"{a}" for a in age])
    comparison = choose_groups(records, {"stage": "II"}, {"stage": "IV"})
    assert comparison.adjusted_for == ("age",)
    design = np.column_stack([np.ones(n), stage == "IV", age])
    slope = np.linalg.lstsq(design, y, rcond=None)[0][1]
    assert contrast(y, comparison).difference[0, 0] == pytest.approx(slope)


def test_a_field_that_travels_with_the_edit_is_not_held_constant():
    records = stages(20, 20, tnm=["T2"] * 20 + ["T4"] * 20, sex=["f", "m"] * 20)
    comparison = choose_groups(records, {"stage": "II"}, {"stage": "IV"})
    assert comparison.adjusted_for == ("sex",)


def test_adjustment_stops_while_patients_are_left():
    rng = np.random.default_rng(0)
    many = {f"field{i}": list(rng.choice(["a", "b", "c"], 14)) for i in range(10)}
    comparison = choose_groups(stages(7, 7, **many), {"stage": "II"}, {"stage": "IV"})
    assert 14 - comparison.adjustment.shape[1] - 1 >= 8


def test_only_patients_with_all_edited_or_all_baseline_values_are_compared():
    records = records_of(stage=["II"] * 6 + ["IV"] * 6, grade=["1"] * 5 + ["3"] + ["1"] + ["3"] * 5)
    comparison = choose_groups(
        records, {"stage": "II", "grade": "1"}, {"stage": "IV", "grade": "3"}
    )
    assert comparison.rows.tolist() == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]
    assert comparison.edited.sum() == 5


@pytest.mark.parametrize(("two", "four"), [(20, 4), (4, 20), (20, 0), (0, 0)])
def test_fewer_than_five_patients_a_side_is_not_estimable(two, four):
    comparison = choose_groups(stages(two, four), {"stage": "II"}, {"stage": "IV"})
    result = contrast(np.random.default_rng(0).normal(size=two + four), comparison)
    for figure in (result.difference, result.low, result.high, result.p):
        assert np.isnan(figure).all()


def test_patients_without_the_niche_do_not_count_towards_five():
    comparison = choose_groups(stages(8, 8), {"stage": "II"}, {"stage": "IV"})
    y = np.random.default_rng(0).normal(size=16)
    y[8:12] = np.nan
    assert np.isnan(contrast(y, comparison).p).all()


@pytest.mark.parametrize("constant", [0.0, 0.1, 3e4])
def test_a_constant_marker_is_not_estimable(constant):
    comparison = choose_groups(stages(8, 8), {"stage": "II"}, {"stage": "IV"})
    assert np.isnan(contrast(np.full(16, constant), comparison).p).all()


def test_p_is_uniform_without_an_effect():
    rng = np.random.default_rng(6)
    records = stages(12, 10, sex=list(rng.choice(["f", "m"], 22)))
    comparison = choose_groups(records, {"stage": "II"}, {"stage": "IV"})
    p = contrast(rng.normal(size=(22, 20, 20)), comparison).p
    assert 0.02 < (p < 0.05).mean() < 0.085
    assert stats.kstest(p.ravel(), "uniform").statistic < 0.08


def test_perfect_separation_has_the_least_p():
    comparison = choose_groups(stages(8, 8), {"stage": "II"}, {"stage": "IV"})
    y = np.concatenate([np.arange(8) * 1e-3, 10 + np.arange(8) * 1e-3])
    assert contrast(y, comparison).p[0, 0] <= 0.003
