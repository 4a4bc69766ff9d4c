from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from slides_in_memory import patch_grid

from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.search import query_layers


@pytest.fixture
def viewer():
    return ViewerModel()


def test_similarity_is_a_map_in_um_with_the_limits_of_its_upper_part(viewer):
    grid = patch_grid(origin=(300.0, 0.0))
    similarity = np.linspace(0, 1, len(grid)).astype(np.float32)
    layer = query_layers.show_similarity(viewer, grid, similarity)
    np.testing.assert_array_equal(layer.data[grid.rows, grid.cols], similarity)
    assert np.isnan(layer.data[0, 0])
    assert tuple(layer.contrast_limits) == (0.25, 1.0)
    assert tuple(layer.translate) == (50.0, 350.0)
    colours = layer.colormap.map(np.array([0.0, 0.5, 1.0]))
    assert (np.diff(colours[:, 3]) >= 0).all()
    again = query_layers.show_similarity(viewer, grid, similarity[::-1].copy())
    assert again is layer


def test_a_flat_similarity_still_has_limits_that_rise(viewer):
    grid = patch_grid()
    layer = query_layers.show_similarity(viewer, grid, np.ones(len(grid), np.float32))
    low, high = layer.contrast_limits
    assert low < high


def test_hits_are_drawn_where_they_lie_and_at_most_200(viewer):
    positions = np.stack([np.arange(250.0) * 10, np.arange(250.0)], axis=1)
    layer = query_layers.show_hits(viewer, positions, list(range(1, 251)), 100.0)
    assert len(layer.data) == 200
    np.testing.assert_allclose(layer.data[3], (3.0, 30.0))
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]


def test_only_the_hits_in_the_gallery_are_numbered(viewer):
    positions = np.zeros((4, 2))
    layer = query_layers.show_hits(viewer, positions, [2, 5, 11, 12], 100.0)
    query_layers.number_hits(viewer, range(1, 10))
    assert list(layer.features["label"]) == ["2", "5", "", ""]
    query_layers.number_hits(viewer, range(10, 19))
    assert list(layer.features["label"]) == ["", "", "11", "12"]


def test_the_hit_under_the_pointer_lights_up_alone(viewer):
    layer = query_layers.show_hits(viewer, np.zeros((3, 2)), [1, 2, 3], 100.0)
    plain = layer.border_color.copy()
    query_layers.mark_hit(viewer, 2)
    assert (layer.border_color[1] == 1).all()
    np.testing.assert_array_equal(layer.border_color[[0, 2]], plain[[0, 2]])
    query_layers.mark_hit(viewer, None)
    np.testing.assert_array_equal(layer.border_color, plain)


def test_no_hit_on_this_slide_leaves_an_empty_layer(viewer):
    layer = query_layers.show_hits(viewer, np.empty((0, 2)), [], 100.0)
    assert len(layer.data) == 0
    query_layers.mark_hit(viewer, 1)
    query_layers.number_hits(viewer, [1])


def test_what_is_not_there_can_be_dimmed_hidden_and_marked(viewer):
    query_layers.dim_hits(viewer)
    query_layers.hide_query(viewer)
    query_layers.mark_hit(viewer, 1)
    query_layers.number_hits(viewer, [1])
    assert len(viewer.layers) == 0


def test_the_ring_moves_and_comes_back(viewer):
    ring = query_layers.show_query(viewer, 10.0, 20.0, 100.0)
    query_layers.hide_query(viewer)
    assert not ring.visible
    assert query_layers.show_query(viewer, 30.0, 40.0, 50.0) is ring
    assert ring.visible
    np.testing.assert_allclose(ring.data, [[40.0, 30.0]] * 2)
    assert layer_in_slot(viewer, "query") is ring


def test_rings_stay_large_enough_to_see_and_no_larger(viewer):
    ring = query_layers.show_query(viewer, 0.0, 0.0, 100.0)
    hits = query_layers.show_hits(viewer, np.zeros((2, 2)), [1, 2], 100.0)
    viewer.scene.camera.zoom = 0.01
    query_layers.fit_rings(viewer)
    assert ring.size[1] == pytest.approx(2400.0)
    assert hits.size[0] == pytest.approx(1400.0)
    viewer.scene.camera.zoom = 10.0
    query_layers.fit_rings(viewer)
    assert ring.size[1] == pytest.approx(145.0)
    assert hits.size[0] == pytest.approx(120.0)


@pytest.mark.parametrize("then", [5, 1, 0])
def test_the_hits_of_the_next_question_take_the_place_of_the_last(viewer, then):
    first = query_layers.show_hits(viewer, np.zeros((3, 2)), [1, 2, 3], 100.0, numbered=[1])
    query_layers.mark_hit(viewer, 2)
    query_layers.dim_hits(viewer)
    first.visible = False
    places = np.arange(2.0 * then).reshape(then, 2)
    ranks = [101 + place for place in range(then)]
    layer = query_layers.show_hits(viewer, places, ranks, 50.0, numbered=ranks[:2])
    assert layer is first
    assert layer.visible
    assert layer.opacity == 1.0
    np.testing.assert_allclose(layer.data, places[:, ::-1])
    assert list(layer.features["rank"]) == ranks
    written = [str(rank) if rank in ranks[:2] else "" for rank in ranks]
    assert list(layer.features["label"]) == written
    assert list(layer.text.values) == written
    assert len({tuple(colour) for colour in layer.border_color}) <= 1
    assert (layer.size == 60.0).all()


def test_a_ring_that_is_in_place_is_left_alone(viewer):
    ring = query_layers.show_query(viewer, 10.0, 20.0, 100.0)
    heard = []
    for signal in (ring.events.data, ring.events.visible, ring.events.size):
        signal.connect(lambda event: heard.append(event.type))
    query_layers.show_query(viewer, 10.0, 20.0, 100.0)
    assert heard == []
