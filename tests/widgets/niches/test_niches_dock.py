from __future__ import annotations

import numpy as np
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QLineEdit

from napari_haiku.analysis.niches.niche_request import NicheRequest, usual_modality
from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.niches.niche_layers import EDGES, NICHES, NUMBERS
from napari_haiku.viewer.niches.spotlight import SPOTLIGHT
from napari_haiku.widgets.niches.niches_dock import CORRECTED, WOULD_REPLACE, NichesDock


def typed(dock, row, text):
    """Edit a name in place as the keyboard does."""
    item = dock.table.item(row, 0)
    dock.table.setCurrentItem(item)
    dock.table.editItem(item)
    editor = dock.table.findChild(QLineEdit)
    editor.setText(text)
    delegate = dock.table.itemDelegateForColumn(0)
    delegate.commitData.emit(editor)
    delegate.closeEditor.emit(editor)


def test_the_slides_modalities_are_offered(dock):
    offered = [dock.settings.group_by.itemText(i) for i in range(dock.settings.group_by.count())]
    assert offered == ["H&E", "mIF", "H&E and mIF"]
    assert dock.settings.group_by.currentText() == "H&E and mIF"
    assert dock.primary.text() == "Find niches"


def test_the_dock_asks_what_the_command_line_asks(dock, workspace):
    usual = NicheRequest(modality=usual_modality([workspace.encoding.modalities]))
    settings = dock.settings
    assert settings.clusters.value() == usual.clusters
    assert settings.modality == usual.modality
    assert settings.smooth.isChecked() == usual.smooth
    assert settings.chosen_method == usual.method


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
    typed(grouped, 0, "  Tumour ")
    assert workspace.niches.names[1] == "Tumour"
    assert grouped.table.item(0, 0).text() == "Tumour"
    features = layer_in_slot(viewer, NICHES).features
    assert features.loc[features["index"] == 1, "niche"].item() == "Tumour"
    rows = workspace.niches.enrichment
    assert set(rows.loc[rows["niche"] == 1, "name"]) == {"Tumour"}


def test_an_empty_name_is_ignored(grouped, workspace):
    before = workspace.niches.names[1]
    typed(grouped, 0, "   ")
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
    where = grouped.heat.cell_centre(2, "PanCK").toPoint()
    qtbot.mouseClick(grouped.heat, Qt.MouseButton.LeftButton, pos=where)
    assert workspace.marker == "PanCK"
    assert grouped.table.selected_niches == (2,)


def test_too_many_niches_are_refused_in_one_sentence(dock, qtbot, workspace, monkeypatch):
    monkeypatch.setattr(dock.settings.clusters, "value", lambda: 500)
    dock.primary.click()
    qtbot.waitUntil(lambda: dock.strip.state == "failed", timeout=60_000)
    assert "too few for 500 niches" in dock.strip.text


def test_another_slide_takes_the_niches_away(grouped, viewer, workspace):
    assert grouped.table.empty_note.isHidden()
    workspace.open_encoding(None)
    assert layer_in_slot(viewer, NICHES) is None
    assert grouped.table.rowCount() == 0
    assert not grouped.table.empty_note.isHidden()
    assert grouped.table.empty_note.text().startswith(f"Press {grouped.primary.text()}:")


def test_suggested_names_are_in_italics_until_confirmed(grouped, workspace):
    assert grouped.table.item(0, 0).font().italic()
    name = workspace.niches.names[1]
    typed(grouped, 0, name)
    assert not grouped.table.item(0, 0).font().italic()
    assert grouped.table.item(1, 0).font().italic()
    assert workspace.niches.names[1] == name


def test_another_number_keeps_colours_and_confirmed_names(grouped, qtbot, workspace):
    typed(grouped, 0, "Mine")
    before = workspace.niches.labels[0]
    with qtbot.waitSignal(grouped.finished, timeout=60_000):
        grouped.set_clusters(5)
    after = workspace.niches
    pairs = sorted(
        (
            (int(((before == a) & (after.labels[0] == b)).sum()), a, b)
            for a in range(1, 5)
            for b in after.niches
        ),
        reverse=True,
    )
    # The largest overlap of all is between niches of one number.
    assert pairs[0][1] == pairs[0][2]
    kept = 2 * np.sum((before == 1) & (after.labels[0] == 1)) > min(
        np.sum(before == 1), np.sum(after.labels[0] == 1)
    )
    assert (after.names.get(1) == "Mine") == bool(kept)


def test_merging_is_one_step_that_undo_takes_back(grouped, qtbot, viewer, workspace):
    before = workspace.niches.labels[0].copy()
    grouped.table.select((1, 3))
    assert grouped.tools.merge.isEnabled()
    grouped.tools.merge.click()
    labels = workspace.niches.labels[0]
    assert set(np.unique(labels)) == {1, 2, 4}
    assert ((labels == 1) == np.isin(before, (1, 3))).all()
    assert grouped.strip.text == CORRECTED
    layer_in_slot(viewer, NICHES).undo()
    qtbot.waitUntil(lambda: np.array_equal(workspace.niches.labels[0], before), timeout=5_000)
    assert grouped.table.rowCount() == 4


def test_figures_are_made_anew_on_request_and_the_correction_stays(grouped, qtbot, workspace):
    grouped.table.select((1, 3))
    grouped.tools.merge.click()
    labels = workspace.niches.labels[0].copy()
    assert "before the change" in grouped.figures.title.text()
    with qtbot.waitSignal(grouped.finished, timeout=60_000):
        grouped.strip.buttons[0].click()
    np.testing.assert_array_equal(workspace.niches.labels[0], labels)
    assert set(workspace.niches.enrichment["niche"]) == {1, 2, 4}
    assert grouped.strip.text == ""


def test_splitting_gives_the_smaller_part_a_new_niche(grouped, qtbot, workspace):
    before = workspace.niches.labels[0].copy()
    grouped.select_niche(2)
    with qtbot.waitSignal(grouped.finished, timeout=60_000):
        grouped.tools.split.click()
    labels = workspace.niches.labels[0]
    assert set(np.unique(labels)) == {1, 2, 3, 4, 5}
    assert (np.isin(labels, (2, 5)) == (before == 2)).all()
    assert 0 < (labels == 5).sum() <= (labels == 2).sum()


def test_painting_moves_patches_and_never_glass(grouped, qtbot, viewer, workspace):
    grouped.select_niche(3)
    grouped.tools.paint.click()
    layer, grid = layer_in_slot(viewer, NICHES), workspace.encoding.grid
    assert str(layer.mode) == "paint"
    assert (layer.brush_size, layer.selected_label) == (1, 3)
    row = int(np.flatnonzero(workspace.niches.labels[0] == 1)[0])
    layer.paint((grid.rows[row], grid.cols[row]), 3)
    qtbot.waitUntil(lambda: workspace.niches.labels[0][row] == 3, timeout=5_000)
    layer.paint((grid.rows[row], grid.cols[row]), 0)
    qtbot.wait(150)
    assert workspace.niches.labels[0][row] == 3
    assert layer.data[grid.rows[row], grid.cols[row]] == 3
    grouped.tools.paint.click()
    assert str(layer.mode) == "pan_zoom"


def test_finding_anew_asks_before_it_replaces_a_correction(grouped, qtbot, workspace):
    grouped.table.select((1, 3))
    grouped.tools.merge.click()
    labels = workspace.niches.labels[0]
    grouped.set_clusters(6)
    qtbot.wait(300)
    assert workspace.niches.labels[0] is labels
    assert grouped.strip.text == WOULD_REPLACE


def lasso(widget, corners):
    """Drag the left button along corners."""
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    kinds = QEvent.Type
    steps = [(kinds.MouseButtonPress, corners[0], left, left)]
    steps += [(kinds.MouseMove, corner, none, left) for corner in corners[1:]]
    steps.append((kinds.MouseButtonRelease, corners[-1], left, none))
    for kind, corner, button, held in steps:
        at = QPointF(*corner)
        QApplication.sendEvent(
            widget, QMouseEvent(kind, at, at, button, held, Qt.KeyboardModifier.NoModifier)
        )


def test_a_lasso_on_the_map_lights_patches_on_the_slide(grouped, qtbot, viewer, workspace):
    patches = grouped.map_section.map
    height = patches.height() - 1
    centres = workspace.encoding.centres_um
    middle = (
        patches.point_of(0).x()
        + (patches.point_of(len(centres) - 1).x() - patches.point_of(0).x()) / 2
    )
    half = int(middle)
    lasso(patches, [(0, 0), (half, 0), (half, height), (0, height)])
    qtbot.waitUntil(lambda: layer_in_slot(viewer, SPOTLIGHT) is not None, timeout=30_000)
    dark = layer_in_slot(viewer, SPOTLIGHT).data[4::8, 4::8, 3] > 0
    grid = workspace.encoding.grid
    lit = ~dark[grid.rows, grid.cols]
    # The test's map is the slide upside down, so the left half of one is that of the other.
    x = centres[:, 0]
    np.testing.assert_array_equal(lit, x < np.median(x))
    assert grouped.map_section.count.text() == f"{lit.sum()} patches chosen"
    grouped.map_section.make_niche.click()
    assert (workspace.niches.labels[0][lit] == 5).all()
    assert layer_in_slot(viewer, SPOTLIGHT) is None


def test_a_point_clicked_is_ringed_on_the_slide_and_back(grouped, qtbot, workspace):
    patches = grouped.map_section.map
    where = patches.point_of(17).toPoint()
    qtbot.mouseClick(patches, Qt.MouseButton.LeftButton, pos=where)
    assert workspace.selection == 17
    workspace.selection = 40
    assert patches._ring == 40


def test_hovering_shows_the_patch(grouped, qtbot):
    patches = grouped.map_section.map
    qtbot.mouseMove(patches, patches.point_of(17).toPoint())
    qtbot.waitUntil(lambda: patches._card is not None, timeout=30_000)
    assert patches._words in grouped.workspace.niches.names.values()


def test_niches_names_and_map_come_back(grouped, open_dock, qtbot, viewer, workspace):
    typed(grouped, 0, "Mine")
    grouped.table.select((2, 3))
    grouped.tools.merge.click()
    state, labels = grouped.session_state(), workspace.niches.labels[0]
    workspace.niches = None
    assert layer_in_slot(viewer, NICHES) is None
    with qtbot.waitSignal(grouped.finished, timeout=60_000):
        grouped.restore_session(state)
    np.testing.assert_array_equal(workspace.niches.labels[0], labels)
    assert workspace.niches.names[1] == "Mine"
    assert not grouped.table.item(0, 0).font().italic()
    np.testing.assert_array_equal(grouped.map_section.points, state["map"]["points"])
    grouped.set_clusters(6)
    assert grouped.strip.text == WOULD_REPLACE


def choose(box, value):
    box.setCurrentIndex(box.findData(value))


def test_the_niches_of_the_whole_atlas_keep_their_numbers(dock, press, workspace, qtbot):
    choose(dock.settings.scope, True)
    first = press(dock)
    qtbot.waitUntil(lambda: not dock.is_running(), timeout=60_000)
    # Another number first: the slide's own matching would keep other numbers and colours.
    choose(dock.settings.scope, False)
    dock.set_clusters(3)
    with qtbot.waitSignal(dock.finished, timeout=60_000):
        dock.group_patches()
    dock.set_clusters(4)
    choose(dock.settings.scope, True)
    with qtbot.waitSignal(dock.finished, timeout=60_000) as answer:
        dock.group_patches()
    np.testing.assert_array_equal(answer.args[0].labels[0], first.labels[0])
    assert workspace.niches.names == first.names


def test_without_an_atlas_only_the_slide_can_be_grouped(open_dock, workspace):
    workspace.atlas = None
    dock = open_dock(NichesDock)
    item = dock.settings.scope.model().item(dock.settings.scope.findData(True))
    assert not item.isEnabled()
    assert "atlas" in item.toolTip()
    assert not dock.settings.whole_atlas


def test_an_atlas_that_goes_takes_its_niches_off_the_menu(dock, workspace):
    choose(dock.settings.scope, True)
    workspace.atlas = None
    assert not dock.settings.whole_atlas


def test_the_method_is_used(dock, press):
    choose(dock.settings.method, "gaussian")
    result = press(dock)
    assert result.request.method == "gaussian"
    assert result.certainty is not None


def test_leiden_finds_the_number_itself_or_says_why_it_cannot_be_had(dock):
    item = dock.settings.method.model().item(dock.settings.method.findData("leiden"))
    if item.isEnabled():
        choose(dock.settings.method, "leiden")
        assert not dock.settings.clusters.isEnabled()
        choose(dock.settings.method, "kmeans")
        assert dock.settings.clusters.isEnabled()
    else:
        assert "pip install" in item.toolTip()


def test_a_mask_is_made_of_the_niches_selected(grouped, viewer, workspace):
    assert not grouped.tools.make_mask.isEnabled()
    grouped.select_niche(2)
    grouped.tools.make_mask.click()
    layer = viewer.layers[f"Mask: {workspace.niches.names[2]}"]
    grid = workspace.encoding.grid
    np.testing.assert_array_equal(
        layer.data[grid.rows, grid.cols] == 1, workspace.niches.labels[0] == 2
    )


def test_clicking_a_selected_niche_brings_the_niches_back(grouped, qtbot, viewer):
    grouped.select_niche(1)
    layer_in_slot(viewer, "niches").visible = False
    middle = grouped.table.visualItemRect(grouped.table.item(0, 1)).center()
    qtbot.mouseClick(grouped.table.viewport(), Qt.MouseButton.LeftButton, pos=middle)
    assert grouped.table.selected_niches == (1,)
    assert layer_in_slot(viewer, "niches").visible
