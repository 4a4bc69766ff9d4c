from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.viewer.biomarkers.map_layers import OUTSIDE, marker_layer, outside_layer
from napari_haiku.viewer.layers.layer_slots import SLOT, layer_in_slot
from napari_haiku.viewer.layers.several import drop_several, show_several
from napari_haiku.viewer.layers.side_by_side import side_by_side_of
from napari_haiku.viewer.layers.stacking import SEVERAL_SLOTS
from napari_haiku.viewer.search.query_layers import show_query

VALUES = np.arange(6.0)


@pytest.fixture
def slide(viewer):
    """A viewer with H&E, a hidden channel and a ring."""
    viewer.add_image(np.full((20, 20, 3), 200, np.uint8), rgb=True, name="H&E")
    viewer.add_image(np.ones((20, 20)), name="hidden", visible=False)
    show_query(viewer, 1050.0, 2050.0, 100.0)
    return viewer


def maps(grid, count):
    return [marker_layer(grid, f"M{place}", VALUES, (0, 5)) for place in range(count)]


def views_of(viewer):
    grid = viewer.canvas.grid
    return [
        sorted(viewer.layers[i].name.split(" (")[0] for i in found if viewer.layers[i].visible)
        for _, found in grid.iter_viewboxes(viewer.layers)
    ]


@pytest.mark.parametrize("count", [2, 3, 6])
def test_every_view_has_the_slide_one_map_the_hatching_and_the_ring(slide, grid, count):
    hatching = outside_layer(grid, VALUES > 3)
    show_several(slide, maps(grid, count), hatching)
    assert views_of(slide) == [
        sorted(["H&E", f"M{place} predicted", "Outside atlas", "Query"]) for place in range(count)
    ]


def test_a_layer_of_the_users_stays_in_the_first_view(slide, grid):
    slide.add_points(np.zeros((1, 2)), name="mine")
    show_several(slide, maps(grid, 3), None)
    views = views_of(slide)
    assert "mine" in views[0]
    assert len(views) == 3
    slide.add_points(np.zeros((1, 2)), name="later")
    assert len(views_of(slide)) == 3
    assert "later" in views_of(slide)[0]


def test_going_back_leaves_no_trace(slide, grid):
    slide.add_points(np.zeros((1, 2)), name="mine")
    show_several(slide, maps(grid, 4), outside_layer(grid, VALUES > 3))
    side_by_side_of(slide).hide()
    drop_several(slide)
    slide.layers.remove(layer_in_slot(slide, OUTSIDE))
    # The ring lies on top, as it does above every map; what is the user's kept its order.
    assert [layer.name for layer in slide.layers] == ["H&E", "hidden", "mine", "Query"]
    assert not slide.canvas.grid.enabled


def test_fewer_maps_take_the_others_away(slide, grid):
    show_several(slide, maps(grid, 4), None)
    show_several(slide, maps(grid, 2), None)
    assert {layer.metadata.get(SLOT) for layer in slide.layers} & set(SEVERAL_SLOTS) == set(
        SEVERAL_SLOTS[:2]
    )
    assert len(views_of(slide)) == 2
    show_several(slide, maps(grid, 1), None)
    assert not slide.canvas.grid.enabled
