from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.viewer.layers.legend import (
    limits_text,
    marker_legend,
    number_text,
    shift_legend,
    shift_text,
)

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (0.0, False, "0.00"),
        (0.0, True, "0.00"),
        (0.34, True, "+0.34"),
        (-0.29, True, f"{MINUS}0.29"),
        (27.64, False, "27.6"),
        (8.31, False, "8.3"),
        (1234.5, False, "1,234"),
        (0.0123, False, "0.012"),
        (2.5e7, False, "2.50e+07"),
        (math.nan, False, "no value"),
        (math.inf, True, "no value"),
    ],
)
def test_numbers_read_well(value, signed, text):
    assert number_text(value, signed=signed) == text


@given(st.floats(-1e5, 1e5))
def test_signed_numbers_show_a_sign_unless_zero(value):
    text = number_text(value, signed=True)
    assert text[0] in f"+{MINUS}" or not any(digit in text for digit in "123456789")


def test_limits_say_both_ends():
    assert limits_text((0.0, 27.6)) == "0.0 to 27.6"
    assert limits_text((0.0015, 37.8)) == "0.0 to 37.8"
    assert limits_text((7.6, 850.2)) == "8 to 850"
    assert limits_text((-0.25, 0.5)) == f"{MINUS}0.250 to 0.500"
    assert limits_text((0.0, 2.5e9)) == "0.00 to 2.50e+09"


def test_shifts_have_a_sign_unless_they_round_to_zero():
    assert shift_text(0.344) == "+0.34"
    assert shift_text(-0.004) == "0.00"
    assert shift_text(-0.004, 3) == f"{MINUS}0.004"
    assert shift_text(math.nan) == "no value"


def test_marker_legend_names_marker_unit_and_ends():
    legend = marker_legend("ECad", (0.0, 27.6))
    assert legend.title == "ECad, mean stored intensity"
    assert (legend.low, legend.high) == ("0.0", "27.6")
    assert legend.stops[0][0] == 0.0
    assert legend.stops[-1][0] == 1.0
    # viridis runs from dark violet to yellow.
    assert legend.stops[0][1] == pytest.approx((0.267, 0.005, 0.329), abs=0.01)


def test_a_stale_legend_says_so():
    assert marker_legend("ECad", (0, 1), stale=True).title.endswith("(before the change)")
    assert shift_legend("x", 1.0, stale=True).title.endswith("(before the change)")


def test_shift_legend_is_symmetric():
    legend = shift_legend("CD163 shift", 0.6)
    assert (legend.low, legend.middle, legend.high) == (f"{MINUS}0.60", "0", "+0.60")
    assert [position for position, _ in legend.stops] == [0.0, 0.25, 0.5, 0.75, 1.0]
