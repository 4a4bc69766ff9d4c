from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.viewer.layers.map_layer import MapLayer, finer, set_visible, show_map
from napari_haiku.viewer.layers.placement import grid_placement


def a_map(grid, value, **always):
    return MapLayer(
        slot="a map",
        name=f"map {value}",
        kind="image",
        data=np.full(grid.shape, value, np.float32),
        placement=grid_placement(grid),
        always={"contrast_limits": (0.0, 10.0), **always},
        once={"opacity": 0.8},
    )


def test_a_second_map_swaps_the_data_and_leaves_the_users_settings(viewer, grid):
    first = show_map(viewer, a_map(grid, 1.0))
    assert first.opacity == 0.8
    first.opacity = 0.3
    second = show_map(viewer, a_map(grid, 2.0))
    assert second is first
    assert len(viewer.layers) == 1
    assert second.name == "map 2.0"
    assert second.opacity == 0.3
    assert second.data[0, 0] == 2.0


def test_limits_follow_the_data_each_time(viewer, grid):
    show_map(viewer, a_map(grid, 1.0))
    layer = show_map(viewer, a_map(grid, 2.0, contrast_limits=(5.0, 50.0)))
    assert layer.contrast_limits == [5.0, 50.0]


def test_a_removed_layer_is_made_again(viewer, grid):
    show_map(viewer, a_map(grid, 1.0))
    viewer.layers.clear()
    layer = show_map(viewer, a_map(grid, 2.0))
    assert layer in viewer.layers
    assert layer.opacity == 0.8


def test_finer_pixels_cover_the_same_square(viewer, grid):
    coarse = grid_placement(grid)
    fine = finer(coarse, 8)
    assert fine["scale"] == (6.25, 6.25)
    # The top-left corners agree: centre minus half a pixel.
    for axis in range(2):
        corner = coarse["translate"][axis] - coarse["scale"][axis] / 2
        assert fine["translate"][axis] - fine["scale"][axis] / 2 == pytest.approx(corner)
    assert fine["units"] == coarse["units"]


def test_set_visible_skips_slots_without_a_layer(viewer, grid):
    layer = show_map(viewer, a_map(grid, 1.0))
    set_visible(viewer, {"a map": False, "no such map": True})
    assert not layer.visible
