from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_haiku.viewer.biomarkers.marker_limits import (
    MOST_ATLAS_ROWS,
    marker_limits,
    sampled_rows,
    shift_limit,
    widened,
)


def test_limits_are_the_2nd_and_99th_percentile_of_all_maps_together():
    low, high = marker_limits(np.arange(0, 51.0), np.arange(51, 101.0))
    assert (low, high) == pytest.approx((2.0, 99.0))


def test_full_range_ignores_missing_values():
    assert marker_limits(np.array([np.nan, 3.0, 9.0]), rule="full") == (3.0, 9.0)


def test_without_any_value_the_bar_runs_from_0_to_1():
    assert marker_limits(np.full(4, np.nan)) == (0.0, 1.0)


@given(st.floats(-1e6, 1e6))
def test_a_constant_marker_still_has_two_ends(value):
    low, high = marker_limits(np.full(5, value))
    assert low < high
    assert low <= value <= high


def test_widened_leaves_good_limits_alone():
    assert widened(1.0, 2.0) == (1.0, 2.0)


@given(arrays(float, st.integers(1, 30), elements=st.floats(-50, 50)))
def test_shift_limit_is_positive_and_no_larger_than_the_largest_shift(shift):
    limit = shift_limit(shift)
    assert limit > 0
    if np.abs(shift).max() > 1e-12:
        assert limit <= np.abs(shift).max() * (1 + 1e-9)


def test_shift_limit_of_nothing_is_one():
    assert shift_limit(np.full(3, np.nan)) == 1.0
    assert shift_limit(np.zeros(3)) == 1.0


@given(st.integers(1, 10_000_000))
def test_at_most_fifty_thousand_atlas_rows_are_read(rows):
    taken = len(range(*sampled_rows(rows).indices(rows)))
    assert 1 <= taken <= MOST_ATLAS_ROWS
    assert taken >= min(rows, MOST_ATLAS_ROWS // 2)
