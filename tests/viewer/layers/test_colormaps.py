from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.viewer.layers.colormaps import (
    FIRST_HATCHED_NICHE,
    NICHE_COLOURS,
    niche_colormap,
    niche_colour,
    rgb_of,
    shift_colormap,
    shift_colour,
)


def test_first_eight_niches_have_colours_of_their_own_and_the_next_four_repeat():
    assert len(set(NICHE_COLOURS[:8])) == 8
    assert NICHE_COLOURS[8:] == NICHE_COLOURS[:4]
    assert FIRST_HATCHED_NICHE == 9
    assert niche_colour(1) == "#0072B2"
    assert niche_colour(13) == niche_colour(1)


def test_zero_shift_is_clear_and_the_ends_are_the_strongest():
    assert shift_colour(0.0)[3] == 0.0
    assert shift_colour(1.0)[3] == pytest.approx(0.85)
    assert shift_colour(1.0)[:3] == pytest.approx(rgb_of("#B34700"))
    assert shift_colour(-1.0)[:3] == pytest.approx(rgb_of("#0B4FA0"))
    assert shift_colour(0.5)[:3] == pytest.approx(rgb_of("#F0A04B"))


@given(st.floats(-3, 3))
def test_opposite_shifts_are_equally_opaque(value):
    assert shift_colour(value)[3] == shift_colour(-value)[3]
    assert all(0 <= channel <= 1 for channel in shift_colour(value))


def test_shift_colormap_is_the_same_function():
    mapped = shift_colormap().map(np.array([0.0, 0.5, 1.0]))
    wanted = np.array([shift_colour(-1), shift_colour(0), shift_colour(1)])
    np.testing.assert_allclose(mapped, wanted, atol=1e-3)
    assert shift_colormap().name == "haiku shift"


def test_selected_niches_stay_and_the_others_fade():
    colours = niche_colormap([1, 2], selected=(2,), lowered=0.25).color_dict
    np.testing.assert_allclose(colours[1], [*rgb_of("#0072B2"), 0.25], atol=1e-6)
    np.testing.assert_allclose(colours[2], [*rgb_of("#E69F00"), 1.0], atol=1e-6)
    np.testing.assert_allclose(colours[0], 0)
    np.testing.assert_allclose(colours[None], 0)


def test_without_a_selection_all_niches_are_alike():
    colours = niche_colormap([1, 2], lowered=0.25).color_dict
    assert colours[1][3] == colours[2][3] == 1.0
