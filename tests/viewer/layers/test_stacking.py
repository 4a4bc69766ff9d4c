from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from napari_haiku.viewer.biomarkers.map_layers import DOUBT, OUTSIDE, PREDICTED
from napari_haiku.viewer.layers.layer_slots import SLOT
from napari_haiku.viewer.layers.stacking import BOTTOM_TO_TOP, stack_layers
from napari_haiku.viewer.niches.niche_layers import NICHES
from napari_haiku.viewer.search.query_layers import QUERY

SLOTS = (NICHES, PREDICTED, DOUBT, OUTSIDE, QUERY)


def test_each_slot_has_one_place():
    assert len(set(BOTTOM_TO_TOP)) == len(BOTTOM_TO_TOP)


@pytest.mark.parametrize("order", list(permutations(SLOTS))[::11])
def test_maps_come_into_order_and_the_users_layers_stay(viewer, order):
    viewer.add_image(np.zeros((2, 2)), name="slide")
    for place, slot in enumerate(order):
        viewer.add_points(np.zeros((1, 2)), name=slot, metadata={SLOT: slot})
        if place == 2:
            viewer.add_points(np.zeros((1, 2)), name="mine")
    stack_layers(viewer)
    names = [layer.name for layer in viewer.layers]
    assert names[0] == "slide"
    assert names[4] == "mine"
    assert [name for name in names if name in SLOTS] == list(SLOTS)
