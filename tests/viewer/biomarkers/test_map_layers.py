from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.viewer.biomarkers.map_layers import (
    difference_layer,
    doubt_alpha,
    doubt_layer,
    marker_layer,
    outside_layer,
)
from napari_haiku.viewer.layers.map_layer import show_map

VALUES = np.array([1.0, 2, 3, np.nan, 5, 6])


def test_marker_map_lies_on_its_patches_in_um(viewer, grid):
    layer = show_map(viewer, marker_layer(grid, "ECad", VALUES, (1.0, 6.0)))
    assert layer.name == "ECad predicted"
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 2
    assert tuple(layer.axis_labels) == ("y", "x")
    assert layer.colormap.name == "viridis"
    assert layer.interpolation2d == "nearest"
    assert layer.opacity == 0.8
    assert layer.contrast_limits == [1.0, 6.0]
    assert layer.data.dtype == np.float32
    # Patch 1 is centred at x 1000 + 3 * 50 + 50, y 2000 + 50.
    assert layer.get_value((2050.0, 1200.0), world=True) == 2.0
    assert np.isnan(layer.get_value((2050.0, 1100.0), world=True))


def test_glass_and_missing_values_are_nan(grid):
    data = marker_layer(grid, "ECad", VALUES, (0, 1)).data
    assert data.shape == (3, 4)
    assert np.isnan(data[1, 2])
    assert np.count_nonzero(np.isfinite(data)) == 5


def test_measured_and_predicted_are_two_layers(grid):
    predicted = marker_layer(grid, "ECad", VALUES, (0, 1))
    measured = marker_layer(grid, "ECad", VALUES, (0, 1), measured=True)
    assert predicted.slot != measured.slot
    assert measured.name == "ECad measured"


def test_difference_is_symmetric_about_a_clear_zero(viewer, grid):
    layer = show_map(viewer, difference_layer(grid, "ECad", VALUES - 3, 2.5))
    assert layer.contrast_limits == [-2.5, 2.5]
    assert layer.colormap.name == "haiku shift"
    assert layer.name == "ECad predicted minus measured"


def test_doubt_is_full_where_value_and_spread_cover_the_whole_bar():
    alpha = doubt_alpha(np.array([0.0, 2.5, 5.0, 50.0, np.nan]), (0.0, 10.0))
    assert alpha == pytest.approx([0, 0.35, 0.7, 0.7, 0])


def test_doubt_veils_patches_only(grid):
    data = doubt_layer(grid, "ECad", np.full(6, 5.0), (0.0, 10.0)).data
    assert data.shape == (3, 4, 4)
    assert data[0, 0].tolist() == [0x70, 0x70, 0x76, round(0.7 * 255)]
    assert data[0, 1, 3] == 0


def test_outside_is_hatched_in_place(viewer, grid):
    outside = np.array([True, False, False, False, False, False])
    layer = show_map(viewer, outside_layer(grid, outside))
    assert layer.rgb
    assert layer.data.shape == (24, 32, 4)
    assert layer.data[:8, :8, 3].any()
    assert not layer.data[:, 8:, 3].any()
    low, high = layer.extent.world
    # From the corner of the first cell to that of the last, in um.
    assert low == pytest.approx([2025 + 3.125 - 3.125, 1025], abs=4)
    assert high == pytest.approx([2175, 1225], abs=4)
