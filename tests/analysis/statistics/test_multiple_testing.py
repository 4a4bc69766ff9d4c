"""Benjamini and Hochberg against the definition and against the published table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_haiku.analysis.statistics.multiple_testing import benjamini_hochberg, q_of_both

# The 53 published p values of haiku.md 5.3, rounded as published.
PUBLISHED_P = [
    1.200e-05, 4.253e-04, 6.652e-04, 1.593e-03, 1.690e-03, 4.483e-03, 8.831e-03, 9.925e-03,
    0.010430, 0.013313, 0.013967, 0.017412, 0.020309, 0.022580, 0.023267, 0.024698, 0.026986,
    0.028198, 0.041368, 0.054201, 0.0825, 0.0836, 0.106, 0.120, 0.123, 0.130, 0.154, 0.191,
    0.224, 0.227, 0.238, 0.266, 0.308, 0.330, 0.333, 0.353, 0.381, 0.416, 0.477, 0.485, 0.521,
    0.614, 0.638, 0.680, 0.705, 0.775, 0.788, 0.828, 0.846, 0.855, 0.922, 0.941, 1.0,
]  # fmt: skip
PUBLISHED_Q = [
    6.360e-04, 0.011271, 0.011752, 0.017912, 0.017912, 0.039601, 0.061421, 0.061421, 0.061421,
    0.067298, 0.067298, 0.076905, 0.081812, 0.081812, 0.081812, 0.081812, 0.083026, 0.083026,
    0.115395, 0.143633,
]  # fmt: skip


def test_published_p_values_give_the_published_q_values():
    q = benjamini_hochberg(PUBLISHED_P)
    np.testing.assert_allclose(q[: len(PUBLISHED_Q)], PUBLISHED_Q, rtol=2e-3)
    assert (q < 0.10).sum() == 18
    assert (q < 0.05).sum() == 6


def test_nan_is_no_test():
    q = benjamini_hochberg([[0.01, np.nan], [0.04, np.nan]])
    np.testing.assert_allclose(q, [[0.02, np.nan], [0.04, np.nan]])


def test_nothing_but_nan_stays_nan():
    assert np.isnan(benjamini_hochberg([np.nan, np.nan])).all()


def test_no_p_value_at_all():
    assert benjamini_hochberg([]).shape == (0,)


@given(hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 1)))
def test_q_is_at_least_p_keeps_the_order_and_follows_the_definition(p):
    q = benjamini_hochberg(p)
    assert (q >= p - 1e-12).all()
    assert (q <= 1).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(q[order]) >= -1e-12).all()
    rank_form = p[order] * len(p) / np.arange(1, len(p) + 1)
    by_definition = np.minimum(np.minimum.accumulate(rank_form[::-1])[::-1], 1)
    np.testing.assert_allclose(q[order], by_definition, atol=1e-12)


@pytest.mark.parametrize("bad", [[1.5], [-0.1]])
def test_a_number_that_is_no_probability_is_refused(bad):
    with pytest.raises(ValueError, match="0 and 1"):
        benjamini_hochberg(bad)


def test_a_row_must_pass_both_tests_where_there_are_two():
    p, also = np.array([0.001, 0.001, 0.02, np.nan]), np.array([0.002, 0.6, np.nan, 0.001])
    expected = benjamini_hochberg([0.002, 0.6, 0.02, np.nan])
    np.testing.assert_array_equal(q_of_both(p, also), expected)
    np.testing.assert_array_equal(q_of_both(p, p), benjamini_hochberg(p))
