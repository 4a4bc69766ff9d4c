from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.components import ViewerModel
from slides_in_memory import he_image, patch_grid

from napari_haiku.viewer.layers.placement import grid_placement, image_placement, on_grid, patch_at


def test_the_corner_of_the_first_pixel_lies_at_the_origin():
    image = he_image(pixel=0.5, origin=(1000.0, 200.0))
    layer = ViewerModel().add_image(image.levels[0], rgb=True, **image_placement(image))
    corner = layer.data_to_world((-0.5, -0.5))
    np.testing.assert_allclose(corner, (200.0, 1000.0))
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
    assert layer.axis_labels == ("y", "x")


def test_an_image_without_pixel_size_cannot_be_placed():
    with pytest.raises(ValueError, match="pixel size"):
        image_placement(he_image(pixel=None))


@given(
    patch=st.floats(20, 500),
    stride=st.floats(20, 500),
    x=st.floats(-1e4, 1e4),
    y=st.floats(-1e4, 1e4),
)
def test_map_pixels_lie_on_the_patch_centres(patch, stride, x, y):
    grid = patch_grid(patch=patch, stride=stride, origin=(x, y))
    placement = grid_placement(grid)
    world = np.stack([grid.rows, grid.cols], axis=1) * placement["scale"] + placement["translate"]
    np.testing.assert_allclose(world[:, ::-1], grid.centres_um, rtol=1e-9, atol=1e-6)


@given(st.integers(1, 9), st.integers(1, 9), st.randoms())
def test_a_map_holds_every_value_in_its_place(ny, nx, random):
    places = [(r, c) for r in range(ny) for c in range(nx)]
    glass = [place for place in places if random.random() < 0.4]
    grid = patch_grid((ny, nx), without=glass)
    values = np.arange(len(grid), dtype=np.float32)
    laid = on_grid(grid, values)
    assert laid.dtype == np.float32
    np.testing.assert_array_equal(laid[grid.rows, grid.cols], values)
    assert np.isnan(laid).sum() == len(glass)


def test_maps_of_labels_and_colours_are_empty_where_there_is_no_patch():
    grid = patch_grid()
    labels = on_grid(grid, np.ones(len(grid), np.uint8))
    assert labels[0, 0] == 0
    assert labels.dtype == np.uint8
    colours = on_grid(grid, np.full((len(grid), 4), 255, np.uint8))
    assert colours.shape == (3, 4, 4)
    assert not colours[0, 0].any()


@given(st.floats(0, 399.9), st.floats(0, 299.9))
def test_a_position_meets_the_patch_that_holds_it_or_glass(x, y):
    grid = patch_grid()
    index, distance = patch_at(grid, x, y)
    in_glass = x < 100 and y < 100
    if index is None:
        assert distance > 0
        assert in_glass
    else:
        assert distance == 0
        assert (np.abs(grid.centres_um[index] - (x, y)) <= 50).all()


def test_the_distance_from_glass_is_to_the_nearest_edge():
    grid = patch_grid()
    index, distance = patch_at(grid, 60.0, 20.0)
    assert index is None
    assert distance == pytest.approx(40.0)


def test_overlapping_patches_give_the_nearest_centre():
    grid = patch_grid((1, 3), patch=100.0, stride=50.0, without=())
    assert patch_at(grid, 60.0, 50.0)[0] == 0
    assert patch_at(grid, 90.0, 50.0)[0] == 1


def test_an_empty_grid_has_no_patch_anywhere():
    grid = patch_grid((1, 1), without=((0, 0),))
    assert patch_at(grid, 1.0, 1.0) == (None, float("inf"))
