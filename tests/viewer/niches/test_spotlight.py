from __future__ import annotations

import numpy as np

from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.niches.spotlight import (
    SPOTLIGHT,
    remove_spotlight,
    show_spotlight,
    spotlight_layer,
)


def test_chosen_patches_are_clear_and_the_others_dark(viewer, grid):
    chosen = np.array([True, False, True, False, False, False])
    show_spotlight(viewer, spotlight_layer(grid, chosen))
    layer = layer_in_slot(viewer, SPOTLIGHT)
    middle = layer.data[4::8, 4::8]
    alpha = middle[grid.rows, grid.cols, 3]
    np.testing.assert_array_equal(alpha == 0, chosen)
    # A white line around the chosen ones; glass stays as it is.
    assert (layer.data[0, :8, :3] == 255).all()
    assert middle[0, 1, 3] == 0
    remove_spotlight(viewer)
    assert layer_in_slot(viewer, SPOTLIGHT) is None
