from __future__ import annotations

import numpy as np
from napari.components import ViewerModel
from slides_in_memory import patch_grid

from napari_haiku.viewer.niches.niche_mask import add_mask
from napari_haiku.viewer.session.drawn_layers import is_drawn


def test_a_mask_lies_where_the_niches_are_and_is_the_users():
    viewer, grid = ViewerModel(), patch_grid(origin=(300.0, 0.0))
    labels = np.arange(len(grid)) % 3 + 1
    layer = add_mask(viewer, grid, labels, (1, 3), ("Tumour", "Stroma"))
    assert layer.name == "Mask: Tumour, Stroma"
    np.testing.assert_array_equal(layer.data[grid.rows, grid.cols], labels != 2)
    assert layer.data.sum() == (labels != 2).sum()
    assert tuple(layer.translate) == (50.0, 350.0)
    assert tuple(layer.scale) == (100.0, 100.0)
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
    # It saves itself with the session, as what the user drew does.
    assert is_drawn(layer)
    assert add_mask(viewer, grid, labels, (2,), ("Rest",)) is not layer
    assert len(viewer.layers) == 2
