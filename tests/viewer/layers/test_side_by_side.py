from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.viewer.biomarkers.map_layers import MEASURED, PREDICTED, marker_layer
from napari_haiku.viewer.layers.layer_slots import SLOT, layer_in_slot
from napari_haiku.viewer.layers.map_layer import show_map
from napari_haiku.viewer.layers.side_by_side import TWIN, side_by_side_of
from napari_haiku.viewer.search.query_layers import QUERY, fit_rings, show_query

VALUES = np.arange(6.0)


@pytest.fixture
def slide(viewer, grid):
    """A viewer with H&E, both maps and a ring."""
    viewer.add_image(np.full((20, 20, 3), 200, np.uint8), rgb=True, name="H&E")
    show_map(viewer, marker_layer(grid, "ECad", VALUES, (0, 5), measured=True))
    show_map(viewer, marker_layer(grid, "ECad", VALUES, (0, 5)))
    show_query(viewer, 1050.0, 2050.0, 100.0)
    return viewer


def views_of(viewer):
    """Names of the visible layers in each view, left to right."""
    grid = viewer.canvas.grid
    return [
        {viewer.layers[i].name for i in contents if viewer.layers[i].visible}
        for _, contents in grid.iter_viewboxes(viewer.layers)
    ]


def twins(viewer):
    return [x for x in viewer.layers if str(x.metadata.get(SLOT, "")).startswith(TWIN)]


def test_the_slide_and_the_ring_are_in_both_views(slide):
    side_by_side_of(slide).show((MEASURED,))
    left, right = views_of(slide)
    assert left == {"H&E", "ECad predicted", "Query"}
    assert right == {"H&E (right view)", "ECad measured", "Query (right view)"}


def test_twins_share_the_slides_pixels(slide):
    side_by_side_of(slide).show((MEASURED,))
    twin = next(layer for layer in twins(slide) if layer.name.startswith("H&E"))
    assert twin.data is slide.layers["H&E"].data


def test_the_ring_moves_in_both_views(slide):
    side_by_side_of(slide).show((MEASURED,))
    show_query(slide, 1200.0, 2100.0, 100.0)
    twin = next(layer for layer in twins(slide) if layer.name.startswith("Query"))
    np.testing.assert_array_equal(twin.data, layer_in_slot(slide, QUERY).data)


def test_the_ring_is_as_large_in_both_views_at_every_zoom(slide):
    side_by_side_of(slide).show((MEASURED,))
    twin = next(layer for layer in twins(slide) if layer.name.startswith("Query"))
    for zoom in (0.01, 10.0):
        slide.scene.camera.zoom = zoom
        fit_rings(slide)
        np.testing.assert_array_equal(twin.size, layer_in_slot(slide, QUERY).size)
        assert twin.size[0] > 0


def test_hiding_puts_everything_back(slide):
    before = [layer.name for layer in slide.layers]
    stride = slide.canvas.grid.stride
    views = side_by_side_of(slide)
    views.show((MEASURED,))
    views.hide()
    assert [layer.name for layer in slide.layers] == before
    assert not slide.canvas.grid.enabled
    assert slide.canvas.grid.stride == stride
    assert not twins(slide)
    assert not views.shown


def test_a_layer_added_meanwhile_does_not_open_a_third_view(slide):
    side_by_side_of(slide).show((MEASURED,))
    slide.add_points(np.zeros((1, 2)), name="mine")
    assert len(views_of(slide)) == 2
    assert "mine" in views_of(slide)[0]


def test_a_removed_slide_takes_its_twin_along(slide):
    side_by_side_of(slide).show((MEASURED,))
    slide.layers.remove("H&E")
    assert not [layer for layer in twins(slide) if layer.name.startswith("H&E")]
    assert views_of(slide)[1] == {"ECad measured", "Query (right view)"}


def test_showing_twice_makes_no_second_twin(slide):
    views = side_by_side_of(slide)
    views.show((MEASURED,))
    views.show((MEASURED,))
    assert len(twins(slide)) == 2


def test_the_selected_layer_stays_selected(slide):
    slide.layers.selection.active = layer_in_slot(slide, PREDICTED)
    side_by_side_of(slide).show((MEASURED,))
    assert slide.layers.selection.active is layer_in_slot(slide, PREDICTED)


def test_clearing_the_layers_of_several_views_ends(slide):
    side_by_side_of(slide).show((MEASURED,))
    slide.layers.clear()
    assert not len(slide.layers)
    assert not side_by_side_of(slide).shown


def test_taking_a_twin_away_goes_back_to_one_view(slide):
    side_by_side_of(slide).show((MEASURED,))
    slide.layers.remove(twins(slide)[0])
    assert not side_by_side_of(slide).shown
    assert not twins(slide)
