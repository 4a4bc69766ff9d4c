from __future__ import annotations

import numpy as np

from napari_haiku.viewer.biomarkers.map_layers import MEASURED, PREDICTED, marker_layer
from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.layers.map_layer import show_map
from napari_haiku.viewer.layers.one_map import show_only
from napari_haiku.viewer.layers.side_by_side import side_by_side_of
from napari_haiku.viewer.niches.niche_layers import NICHES, niche_layer

VALUES = np.arange(6.0)


def test_only_the_wanted_maps_stay_visible(viewer, grid):
    mine = viewer.add_points(np.zeros((1, 2)))
    show_map(viewer, marker_layer(grid, "A", VALUES, (0, 5)))
    show_map(viewer, niche_layer(grid, np.ones(6, int)))
    show_only(viewer, {NICHES})
    assert layer_in_slot(viewer, NICHES).visible
    assert not layer_in_slot(viewer, PREDICTED).visible
    assert mine.visible


def test_the_slide_is_dimmed_once_and_then_the_users(viewer, grid):
    slide = viewer.add_image(np.zeros((4, 4, 3), np.uint8), rgb=True)
    show_only(viewer, {NICHES})
    assert slide.opacity == 0.6
    slide.opacity = 0.9
    show_only(viewer, {NICHES})
    assert slide.opacity == 0.9


def test_showing_another_map_leaves_the_two_views(viewer, grid):
    show_map(viewer, marker_layer(grid, "A", VALUES, (0, 5), measured=True))
    show_map(viewer, marker_layer(grid, "A", VALUES, (0, 5)))
    side_by_side_of(viewer).show((MEASURED,))
    show_only(viewer, {PREDICTED, MEASURED}, two_views=True)
    assert viewer.canvas.grid.enabled
    show_only(viewer, {PREDICTED})
    assert not viewer.canvas.grid.enabled
