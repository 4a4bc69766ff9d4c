from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.viewer.counterfactual.shift_rows import (
    ShiftRow,
    axis_limit,
    decimals_for,
    shift_rows,
)

SHIFTS = pd.DataFrame(
    {
        "niche": [1, 1, 1, 2],
        "marker": ["CD8", "CD163", "PDL1", "CD8"],
        "shift": [-0.29, 0.34, np.nan, 0.1],
        "ci_low": [-0.47, 0.15, np.nan, np.nan],
        "ci_high": [-0.11, 0.53, np.nan, np.nan],
        "placebo_p": [0.02, 0.4, np.nan, np.nan],
        "placebo_scale": [0.1, 0.05, np.nan, np.nan],
        "supported": [True, False, False, False],
    }
)


def row(shift, low=math.nan, high=math.nan, placebo=math.nan):
    return ShiftRow("x", shift, low, high, placebo, False, False)


def test_rows_go_from_most_up_to_most_down_and_the_unknown_last():
    rows = shift_rows(SHIFTS.assign(supported=False), 1)
    assert [r.marker for r in rows] == ["CD163", "CD8", "PDL1"]
    assert not rows[-1].estimable


def test_supported_rows_come_before_larger_ones_that_are_not():
    rows = shift_rows(SHIFTS, 1)
    assert [r.marker for r in rows] == ["CD8", "CD163", "PDL1"]


def test_rows_inside_placebo_are_faint_and_supported_ones_marked():
    down, up, unknown = shift_rows(SHIFTS, 1)
    assert up.faint
    assert not up.supported
    assert not down.faint
    assert down.supported
    assert not unknown.faint
    assert down.placebo == pytest.approx(0.196)


def test_another_niche_has_rows_of_its_own():
    (only,) = shift_rows(SHIFTS, 2)
    assert only.shift == 0.1
    assert math.isnan(only.placebo)


def test_the_axis_ends_at_a_round_number_beyond_everything_drawn():
    assert axis_limit([row(0.34, 0.15, 0.53)]) == pytest.approx(1.0)
    assert axis_limit([row(0.34)]) == pytest.approx(0.4)
    assert axis_limit([row(0.1, placebo=0.19)]) == pytest.approx(0.2)
    assert axis_limit([]) == 1.0
    assert axis_limit([row(math.nan)]) == 1.0


@pytest.mark.parametrize(("limit", "decimals"), [(10.0, 2), (0.4, 2), (0.05, 3), (0.002, 4)])
def test_small_shifts_are_written_with_more_decimals(limit, decimals):
    assert decimals_for(limit) == decimals


@given(st.floats(1e-6, 1e6))
def test_nothing_drawn_lies_beyond_the_axis(shift):
    limit = axis_limit([row(shift)])
    assert shift <= limit * (1 + 1e-6)
    assert limit <= 2.5 * shift
