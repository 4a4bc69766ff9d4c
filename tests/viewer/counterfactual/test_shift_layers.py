from __future__ import annotations

import numpy as np

from napari_haiku.viewer.counterfactual.shift_layers import edit_words, scenario_name, shift_layer
from napari_haiku.viewer.layers.map_layer import show_map

SHIFT = np.array([0.5, -0.5, 0, np.nan, 0.1, 0])


def test_words_say_from_what_to_what():
    assert edit_words({"stage": "II"}, {"stage": "IV"}) == "stage II to IV"
    assert edit_words({}, {"tumour_grade": "3"}) == "no tumour grade to tumour grade 3"
    assert scenario_name({"stage": "IV", "sex": "F"}) == "Stage IV, sex F"


def test_shift_map_is_symmetric_with_a_clear_zero(viewer, grid):
    spec = shift_layer(grid, "CD163", SHIFT, 0.6, scenario="Stage IV", beyond_placebo=True)
    layer = show_map(viewer, spec)
    assert layer.name == "CD163 shift: Stage IV"
    assert layer.contrast_limits == [-0.6, 0.6]
    assert layer.opacity == 1.0
    assert np.isnan(layer.data[1, 2])


def test_an_edit_no_better_than_placebo_is_drawn_at_half_opacity(viewer, grid):
    show_map(viewer, shift_layer(grid, "A", SHIFT, 1, scenario="s", beyond_placebo=True))
    layer = show_map(viewer, shift_layer(grid, "A", SHIFT, 1, scenario="s", beyond_placebo=False))
    assert layer.opacity == 0.5
