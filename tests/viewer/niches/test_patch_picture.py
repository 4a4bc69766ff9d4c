from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.viewer.layers.colormaps import niche_colour, rgb_of
from napari_haiku.viewer.niches.patch_picture import PatchCloud, View

SIZE = (60, 40)
CORNERS = np.array([[-3, -2], [3, -2], [3, 2], [-3, 2]], np.float32)


def test_everything_is_in_view_with_a_margin():
    cloud, view = PatchCloud(CORNERS), View.of_all(CORNERS, SIZE)
    places = [cloud.pixel_of(point, view, SIZE) for point in range(4)]
    assert None not in places
    # The map's y points up, the picture's down.
    assert places[0][1] > places[3][1]
    assert places[0][0] < places[1][0]


@given(st.floats(0.2, 50), st.floats(0, 60), st.floats(0, 40))
def test_zooming_keeps_the_place_under_the_pointer(factor, x, y):
    view = View((1.5, -2.0), 7.0)
    there = view.to_map(x, y, SIZE)
    zoomed = view.zoomed(factor, x, y, SIZE)
    np.testing.assert_allclose(zoomed.to_map(x, y, SIZE), there, atol=1e-9 * max(1, 1 / factor))
    assert zoomed.span == pytest.approx(7.0 / factor)


def test_dragging_moves_what_was_under_the_pointer_along():
    view = View((0.0, 0.0), 4.0)
    moved = view.moved(5, -3, SIZE)
    np.testing.assert_allclose(moved.to_map(25, 17, SIZE), view.to_map(20, 20, SIZE))


def test_each_point_has_the_colour_of_its_niche():
    cloud, view = PatchCloud(CORNERS), View.of_all(CORNERS, SIZE)
    picture = cloud.draw(np.array([1, 2, 3, 0]), view, SIZE)
    assert picture.shape == (40, 60, 4)
    for point, niche in enumerate((1, 2, 3)):
        x, y = (int(v) for v in cloud.pixel_of(point, view, SIZE))
        np.testing.assert_allclose(picture[y, x, :3] / 255, rgb_of(niche_colour(niche)), atol=0.01)
        assert picture[y, x, 3] > 100
    assert (picture[..., 3] == 0).mean() > 0.9


def test_lit_points_stand_out_and_lie_on_top():
    points = np.zeros((5, 2), np.float32)
    cloud, view = PatchCloud(points), View((0.0, 0.0), 4.0)
    lit = np.array([False, False, True, False, False])
    picture = cloud.draw(np.array([1, 1, 2, 1, 1]), view, SIZE, lit=lit)
    np.testing.assert_allclose(picture[20, 30, :3] / 255, rgb_of(niche_colour(2)), atol=0.01)
    dim = cloud.draw(np.ones(5, int), view, SIZE, lit=np.zeros(5, bool))
    np.testing.assert_array_equal(dim, cloud.draw(np.ones(5, int), view, SIZE))


def test_points_without_a_place_are_nowhere():
    points = np.array([[np.nan, np.nan], [0, 0]], np.float32)
    cloud, view = PatchCloud(points), View.of_all(points, SIZE)
    assert cloud.pixel_of(1, view, SIZE) is not None
    assert cloud.nearest(view, SIZE, 30, 20) == 1
    assert not cloud.inside(view, SIZE, [(0, 0), (59, 0), (59, 39), (0, 39)])[0]
    assert (PatchCloud(points[:1]).draw(np.ones(1, int), view, SIZE) == 0).all()


@given(st.integers(0, 1000))
def test_a_lasso_takes_what_lies_inside(seed):
    points = np.random.default_rng(seed).uniform(-1, 1, (80, 2)).astype(np.float32)
    cloud, view = PatchCloud(points), View((0.0, 0.0), 2.4)
    size = (120, 120)
    found = cloud.inside(view, size, [(0, 0), (60, 0), (60, 120), (0, 120)])
    pixels = np.array([cloud.pixel_of(point, view, size) for point in range(80)])
    clear = np.abs(pixels[:, 0] - 60) > 1.5
    np.testing.assert_array_equal(found[clear], pixels[clear, 0] < 60)


def test_the_nearest_point_is_found_within_reach_only():
    cloud, view = PatchCloud(CORNERS), View.of_all(CORNERS, SIZE)
    x, y = cloud.pixel_of(2, view, SIZE)
    assert cloud.nearest(view, SIZE, x + 2, y - 1) == 2
    assert cloud.nearest(view, SIZE, 30, 20) is None
