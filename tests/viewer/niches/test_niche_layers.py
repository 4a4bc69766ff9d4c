from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.viewer.layers.map_layer import show_map
from napari_haiku.viewer.niches.niche_layers import (
    OPACITY,
    RAISED_OPACITY,
    edge_layer,
    niche_layer,
    number_layer,
    region_centres,
)

LABELS = np.array([1, 2, 1, 2, 9, 9])


def test_niches_are_labels_with_their_own_colours(viewer, grid):
    layer = show_map(viewer, niche_layer(grid, LABELS))
    assert layer.data[0, 0] == 1
    assert layer.data[0, 3] == 2
    assert layer.data[0, 1] == 0
    assert layer.opacity == OPACITY
    assert layer.get_value((2050.0, 1200.0), world=True) == 2
    np.testing.assert_allclose(layer.get_color(2)[:3], [0xE6 / 255, 0x9F / 255, 0], atol=1e-3)


def test_selecting_raises_one_niche_and_lowers_the_rest(viewer, grid):
    layer = show_map(viewer, niche_layer(grid, LABELS, selected=(2,)))
    assert layer.opacity == RAISED_OPACITY
    shown = {niche: layer.colormap.color_dict[niche][3] * layer.opacity for niche in (1, 2)}
    assert shown[2] == pytest.approx(0.75)
    assert shown[1] == pytest.approx(0.2)


def test_ninth_niche_is_hatched_because_its_colour_repeats(grid):
    data = edge_layer(grid, LABELS).data
    inner = data[16 + 2 : 16 + 6, 2:6]
    white = (inner[..., :3] == 255).all(axis=-1) & (inner[..., 3] > 0)
    assert white.any()
    assert not (data[2:6, 2:6, 3] > 0).any()


def test_number_stands_in_the_middle_of_a_region():
    labels = np.zeros((9, 9), int)
    labels[2:7, 1:6] = 3
    assert region_centres(labels) == [(3, 4, 3)]


def test_each_large_region_gets_a_number_and_small_ones_only_where_alone():
    labels = np.zeros((6, 12), int)
    labels[0:3, 0:3] = 1
    labels[0:3, 9:12] = 1
    labels[5, 0] = 1
    labels[5, 11] = 2
    found = region_centres(labels)
    assert sorted(niche for niche, _, _ in found) == [1, 1, 2]
    assert (2, 5, 11) in found
    assert all(labels[row, col] == niche for niche, row, col in found)


def test_number_layer_follows_another_grouping(viewer, grid):
    first = show_map(viewer, number_layer(grid, LABELS))
    assert sorted(first.text.values.tolist()) == ["1", "2", "9"]
    second = show_map(viewer, number_layer(grid, np.ones(6, int)))
    assert second is first
    assert second.text.values.tolist() == ["1"]
