from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.niches.niche_layers import EDGES, NICHES, NUMBERS
from napari_haiku.widgets.niches.niches_dock import NichesDock


@pytest.fixture
def dock(open_dock, workspace):
    return open_dock(NichesDock)


@pytest.fixture
def grouped(dock, press):
    press(dock)
    return dock


def test_the_slides_modalities_are_offered(dock):
    offered = [dock.group_by.itemText(i) for i in range(dock.group_by.count())]
    assert offered == ["H&E", "mIF", "H&E and mIF"]
    assert dock.group_by.currentText() == "H&E and mIF"
    assert dock.primary.text() == "Find niches"


def test_niches_need_no_atlas(open_dock, workspace, press):
    workspace.atlas = None
    dock = open_dock(NichesDock)
    assert press(dock).niches == (1, 2, 3, 4)


def test_labels_lie_on_their_patches(grouped, viewer, workspace):
    layer = layer_in_slot(viewer, NICHES)
    grid = workspace.encoding.grid
    np.testing.assert_array_equal(layer.data[grid.rows, grid.cols], workspace.niches.labels[0])
    assert tuple(layer.scale) == (100.0, 100.0)
    assert layer_in_slot(viewer, EDGES).visible
    assert layer_in_slot(viewer, NUMBERS) is None


def test_the_table_counts_every_patch_once(grouped, workspace):
    counts = [int(grouped.table.item(row, 1).text()) for row in range(grouped.table.rowCount())]
    assert sum(counts) == workspace.encoding.n_patches
    assert counts == sorted(counts, reverse=True)


def test_renaming_reaches_the_workspace_and_the_status_line(grouped, viewer, workspace):
    grouped.table.item(0, 0).setText("  Tumour ")
    assert workspace.niches.names[1] == "Tumour"
    assert grouped.table.item(0, 0).text() == "Tumour"
    features = layer_in_slot(viewer, NICHES).features
    assert features.loc[features["index"] == 1, "niche"].item() == "Tumour"
    rows = workspace.niches.enrichment
    assert set(rows.loc[rows["niche"] == 1, "name"]) == {"Tumour"}


def test_an_empty_name_is_ignored(grouped, workspace):
    before = workspace.niches.names[1]
    grouped.table.item(0, 0).setText("   ")
    assert workspace.niches.names[1] == before
    assert grouped.table.item(0, 0).text() == before


def test_selecting_a_row_lights_its_niche_up(grouped, viewer):
    grouped.select_niche(2)
    layer = layer_in_slot(viewer, NICHES)
    assert layer.opacity == 0.75
    assert layer.colormap.color_dict[2][3] == 1.0
    assert layer.colormap.color_dict[1][3] < 0.3
    grouped.select_niche(None)
    assert layer.opacity == 0.5
    assert layer.colormap.color_dict[1][3] == 1.0


def test_moving_the_slider_groups_anew_by_itself(grouped, qtbot, viewer, workspace):
    with qtbot.waitSignal(grouped.finished, timeout=60_000):
        grouped.set_clusters(9)
    assert len(workspace.niches.niches) == 9
    numbers = layer_in_slot(viewer, NUMBERS)
    assert set(numbers.text.values) == {str(n) for n in range(1, 10)}


def test_grouping_otherwise_marks_the_result_stale(grouped, workspace):
    before = workspace.niches
    grouped.set_group_by("he")
    assert grouped.strip.text == "Settings changed since this result."
    assert grouped.primary.text() == "Find niches"
    assert workspace.niches is before


def test_a_cell_of_the_heat_map_chooses_niche_and_marker(grouped, qtbot, workspace):
    from qtpy.QtCore import Qt

    where = grouped.heat.cell_centre(2, "PanCK").toPoint()
    qtbot.mouseClick(grouped.heat, Qt.MouseButton.LeftButton, pos=where)
    assert workspace.marker == "PanCK"
    assert grouped.table.selected_niches == (2,)


def test_too_many_niches_are_refused_in_one_sentence(dock, qtbot, workspace, monkeypatch):
    monkeypatch.setattr(dock.clusters, "value", lambda: 500)
    dock.primary.click()
    qtbot.waitUntil(lambda: dock.strip.state == "failed", timeout=60_000)
    assert "too few for 500 niches" in dock.strip.text


def test_another_slide_takes_the_niches_away(grouped, viewer, workspace):
    workspace.open_encoding(None)
    assert layer_in_slot(viewer, NICHES) is None
    assert grouped.table.rowCount() == 0
