"""Regions: area, holes, what lies inside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.analysis.regions.region import Region, ellipse
from napari_haiku.errors import HaikuError

SQUARE = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], float)


def test_a_hole_has_no_area_and_holds_no_point():
    region = Region("r", ((SQUARE, SQUARE / 2 + 2.5),))
    assert region.area_um2 == pytest.approx(75)
    inside = region.contains(np.array([[1.0, 1.0], [5.0, 5.0], [11.0, 1.0]]))
    assert inside.tolist() == [True, False, False]


def test_several_parts_count_together():
    region = Region("r", ((SQUARE,), (SQUARE + 100,)))
    assert region.area_um2 == pytest.approx(200)
    assert region.box_um == (0, 0, 110, 110)
    assert region.contains(np.array([[105.0, 105.0], [50.0, 50.0]])).tolist() == [True, False]


@given(
    st.floats(0.1, 1e4), st.floats(0.1, 1e4), st.floats(-1e5, 1e5), st.floats(0, 3.1), st.booleans()
)
def test_area_knows_no_place_turn_or_direction(width, height, shift, turn, backwards):
    corners = SQUARE / 10 * [width, height]
    turned = corners @ [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]] + shift
    region = Region("r", ((turned[::-1] if backwards else turned,),))
    assert region.area_um2 == pytest.approx(width * height, rel=1e-3)


def test_an_ellipse_touches_the_sides_of_its_box():
    outline = ellipse(SQUARE * [2, 1])
    assert outline.min(axis=0) == pytest.approx([0, 0], abs=0.05)
    assert outline.max(axis=0) == pytest.approx([20, 10], abs=0.05)
    assert Region("e", ((outline,),)).area_um2 == pytest.approx(np.pi * 50, rel=0.01)


@pytest.mark.parametrize(
    ("polygons", "words"),
    [
        ((), "no outline"),
        (((SQUARE[:2],),), "fewer than three corners"),
        (((SQUARE * np.nan,),), "without a place"),
    ],
)
def test_what_encloses_nothing_is_refused(polygons, words):
    with pytest.raises(HaikuError, match=words):
        Region("r", polygons)
