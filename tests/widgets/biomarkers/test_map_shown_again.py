from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt

from napari_haiku.viewer.biomarkers.map_layers import PREDICTED
from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.niches.niche_layers import NICHES
from napari_haiku.viewer.niches.niche_view import draw_niches, show_niches


def niches_on_the_canvas(viewer, workspace):
    labels = 1 + (np.arange(workspace.encoding.n_patches) % 2)
    show_niches(viewer, draw_niches(workspace.encoding.grid, labels), {1: "One", 2: "Two"})
    assert not layer_in_slot(viewer, PREDICTED).visible


def test_clicking_the_marker_chosen_brings_its_map_back(predicted, viewer, workspace, qtbot):
    marker, grid = predicted.table.current, predicted.table.table
    niches_on_the_canvas(viewer, workspace)
    row = predicted.table.shown.index(marker)
    middle = grid.visualItemRect(grid.item(row, 2)).center()
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=middle)
    assert layer_in_slot(viewer, PREDICTED).visible
    assert not layer_in_slot(viewer, NICHES).visible


def test_showing_a_marker_always_shows_its_map(predicted, viewer, workspace):
    marker = predicted.table.current
    niches_on_the_canvas(viewer, workspace)
    predicted.show_marker(marker)
    assert layer_in_slot(viewer, PREDICTED).visible
    assert layer_in_slot(viewer, PREDICTED).name.startswith(marker)
    assert not layer_in_slot(viewer, NICHES).visible
