"""Pearson's r by column, gaps and constants included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from napari_haiku.analysis.statistics.correlation import pearson_columns


def test_agrees_with_scipy():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(50, 4))
    b = a * [1, -1, 0.2, 0] + rng.normal(size=(50, 4))
    expected = [stats.pearsonr(a[:, i], b[:, i]).statistic for i in range(4)]
    np.testing.assert_allclose(pearson_columns(a, b), expected, rtol=1e-12)


def test_agrees_with_scipy_on_float32_intensities_far_from_zero():
    rng = np.random.default_rng(1)
    a = (60_000 + rng.normal(size=(200, 1))).astype(np.float32)
    b = a + rng.normal(size=(200, 1)).astype(np.float32)
    expected = stats.pearsonr(a[:, 0].astype(float), b[:, 0].astype(float)).statistic
    np.testing.assert_allclose(pearson_columns(a, b), [expected], rtol=1e-9)


def test_gaps_are_left_out_pairwise():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 30, 1))
    holed_a, holed_b = a.copy(), b.copy()
    holed_a[::5] = np.nan
    holed_b[1::7] = np.inf
    both = np.isfinite(holed_a[:, 0]) & np.isfinite(holed_b[:, 0])
    expected = stats.pearsonr(a[both, 0], b[both, 0]).statistic
    np.testing.assert_allclose(pearson_columns(holed_a, holed_b), [expected], rtol=1e-12)


@pytest.mark.parametrize("constant", [0.0, 0.1, 255.0, 1e6])
def test_a_constant_column_has_no_r(constant):
    varying = np.arange(20.0)[:, None]
    assert np.isnan(pearson_columns(np.full((20, 1), constant), varying)).all()
    assert np.isnan(pearson_columns(varying, np.full((20, 1), constant))).all()


def test_two_pairs_are_too_few():
    a = np.array([[1.0], [2.0], [np.nan]])
    assert np.isnan(pearson_columns(a, a)).all()


def test_no_patch_at_all():
    assert np.isnan(pearson_columns(np.empty((0, 2)), np.empty((0, 2)))).all()


def test_tables_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        pearson_columns(np.zeros((3, 2)), np.zeros((3, 1)))


@given(hnp.arrays(np.float64, (10, 2), elements=st.floats(-1e3, 1e3)))
def test_r_lies_between_minus_one_and_one_and_is_symmetric(table):
    a, b = table[:, :1], table[:, 1:]
    r = pearson_columns(a, b)
    assert np.isnan(r).all() or (np.abs(r) <= 1).all()
    np.testing.assert_allclose(r, pearson_columns(b, a), atol=1e-12)
    np.testing.assert_allclose(pearson_columns(a, -b), -r, atol=1e-12)
