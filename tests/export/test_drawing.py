"""Colours and scales of all charts."""

import numpy as np
import pytest

from napari_haiku.export.drawing import (
    NEUTRAL,
    limit_of,
    rounded_up,
    shift_colour,
    shortened,
    signed,
    svg,
)


@pytest.mark.parametrize(
    ("value", "limit"), [(0.3, 0.5), (0.5, 0.5), (1.2, 2), (7, 10), (0.011, 0.02), (0, 1)]
)
def test_limits_are_round_numbers(value, limit):
    assert rounded_up(value) == pytest.approx(limit)


def test_zero_is_neutral_and_beyond_the_limit_the_colour_stays():
    assert shift_colour(0.0, 1.0) == NEUTRAL
    assert shift_colour(9.0, 1.0) == shift_colour(1.0, 1.0)
    assert shift_colour(-9.0, 1.0) == shift_colour(-1.0, 1.0) != shift_colour(1.0, 1.0)


def test_a_scale_leaves_out_what_is_not_estimable():
    assert limit_of([np.nan, -0.4, 0.3]) == 0.5
    assert limit_of([np.nan]) == 1.0


@pytest.mark.parametrize(
    ("value", "said"), [(0.0, "0"), (0.25, "+0.25"), (-0.25, "\N{MINUS SIGN}0.25")]
)
def test_numbers_carry_their_sign(value, said):
    assert signed(value) == said


def test_long_names_are_cut_with_an_ellipsis():
    assert shortened("short") == "short"
    assert len(shortened("x" * 40)) == 26
    assert shortened("x" * 40).endswith("\N{HORIZONTAL ELLIPSIS}")


def test_every_picture_has_a_title():
    assert svg(10, 10, "Shifts").find("title").text == "Shifts"
