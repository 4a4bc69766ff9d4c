"""Tests, groups and the classifier of a cohort's shifts."""

import numpy as np
import pytest
from scipy import stats

from napari_haiku.analysis.cohort.cohort_classifier import area_under_curve, classify, out_of_fold
from napari_haiku.analysis.cohort.cohort_request import _new_value
from napari_haiku.analysis.cohort.cohort_tests import agreement, group_shifts, scale_of, standardise
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job


def test_agreement_is_the_published_arithmetic():
    rng = np.random.default_rng(0)
    theta = rng.normal(0.3, 1, size=(30, 4))
    found = agreement(theta, seed=0)
    np.testing.assert_allclose(found.mean, theta.mean(axis=0))
    np.testing.assert_allclose(found.effect, theta.mean(axis=0) / theta.std(axis=0, ddof=1))
    np.testing.assert_allclose(found.p, [stats.wilcoxon(column).pvalue for column in theta.T])
    stream = np.random.default_rng(0)
    for marker in range(4):
        means = theta[stream.integers(0, 30, size=(2000, 30)), marker].mean(axis=1)
        assert found.low[marker] == pytest.approx(np.percentile(means, 2.5))
        assert found.high[marker] == pytest.approx(np.percentile(means, 97.5))


def test_markers_too_spread_or_too_seldom_are_dropped_from_q():
    rng = np.random.default_rng(1)
    theta = rng.normal(0.5, 1, size=(40, 5))
    theta[:, 1] *= 4
    theta[:5, 2] = np.nan
    theta[:35, 3] = np.nan
    found = agreement(theta, seed=0)
    assert found.kept.tolist() == [True, False, False, False, True]
    assert np.isfinite(found.q).tolist() == found.kept.tolist()
    assert np.isnan(found.mean[3])
    np.testing.assert_allclose(
        found.q[[0, 4]], stats.false_discovery_control(found.p[[0, 4]], method="bh")
    )


def test_groups_of_patients_are_found_again():
    rng = np.random.default_rng(2)
    side = np.repeat([1.0, -1.0], 8)
    profile = np.array([1, 1, 1, -1, -1, -1.0])
    theta = side[:, None] * profile + 0.2 * rng.normal(size=(16, 6))
    groups = group_shifts(theta)
    ordered = side[groups.patients]
    assert (np.diff(ordered) != 0).sum() == 1
    assert groups.explained[0] > 0.8
    assert abs(np.corrcoef(groups.scores[:, 0], side)[0, 1]) > 0.95
    np.testing.assert_allclose(
        groups.scores @ groups.loadings, groups.standardised - groups.standardised.mean(0), atol=1.5
    )


def test_gaps_and_flat_rows_do_not_break_the_grouping():
    theta = np.random.default_rng(3).normal(size=(6, 4))
    theta[0, 1] = np.nan
    theta[2] = theta.mean()
    theta[:, 3] = 1.0
    groups = group_shifts(theta)
    assert sorted(groups.patients) == list(range(6))
    assert np.isfinite(groups.scores).all()
    assert group_shifts(theta[:2]) is None


def test_standardisation_uses_the_population_sd_and_fills_gaps():
    theta = np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 2.0]])
    scaled = standardise(theta, *scale_of(theta))
    np.testing.assert_allclose(scaled[:, 0], (theta[:, 0] - 3) / theta[:, 0].std())
    np.testing.assert_array_equal(scaled[:, 1], 0)


def test_area_counts_ties_one_half():
    positive = np.array([True, True, False, False])
    assert area_under_curve(np.array([3.0, 2, 1, 0]), positive) == 1
    assert area_under_curve(np.ones(4), positive) == 0.5


def groups_of(signal, seed=0, n=40):
    rng = np.random.default_rng(seed)
    positive = np.arange(n) % 2 == 0
    theta = rng.normal(size=(n, 5))
    theta[:, 0] += signal * positive
    return theta, rng.normal(size=(n, 5)), positive


def test_a_clear_difference_is_found_and_the_control_shows_that_the_edit_did_it():
    theta, control, positive = groups_of(3.0)
    found = run_job(classify(theta, control, positive, seed=0, permutations=3))
    assert found.auroc > 0.9
    assert found.low <= found.auroc <= found.high
    assert found.p == pytest.approx(0.25)
    assert found.control_auroc < 0.8
    assert np.abs(found.coefficients).argmax() == 0
    assert found.coefficients[0] > 0
    assert len(found.penalties) == 5


def test_held_out_patients_do_not_shape_their_own_standardisation():
    theta, _, positive = groups_of(1.0)
    chances, *_ = out_of_fold(theta, positive, 0)
    moved = theta.copy()
    moved[0] += 1000
    again, *_ = out_of_fold(moved, positive, 0)
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    test = next(test for _, test in folds.split(theta, positive) if 0 in test)
    others = test[test != 0]
    np.testing.assert_allclose(again[others], chances[others])


def test_a_group_too_small_is_refused():
    theta, control, positive = groups_of(1.0, n=8)
    with pytest.raises(HaikuError, match="at least 5"):
        run_job(classify(theta, control, positive, seed=0, permutations=0))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [("25", "*2.4", "60"), ("unknown", "*2.4", "unknown"), ("II", "IV", "IV"), ("5", "*0.5", "2")],
)
def test_a_factor_multiplies_numbers_and_leaves_words_alone(old, new, expected):
    assert _new_value(old, new) == expected
