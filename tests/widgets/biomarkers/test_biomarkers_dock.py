from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt

from napari_haiku.atlas.store import Atlas
from napari_haiku.notices import SAME_PATIENT
from napari_haiku.viewer.biomarkers.map_layers import (
    DIFFERENCE,
    DOUBT,
    MEASURED,
    OUTSIDE,
    PREDICTED,
)
from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.layers.side_by_side import side_by_side_of
from napari_haiku.viewer.layers.stacking import SEVERAL_SLOTS
from napari_haiku.viewer.search.slide_beside import BESIDE
from napari_haiku.widgets.biomarkers.biomarkers_dock import (
    BLEND,
    ONE,
    SIDE_BY_SIDE,
    BiomarkersDock,
)
from napari_haiku.widgets.biomarkers.interval_check import LANE


def shown(viewer, slot):
    layer = layer_in_slot(viewer, slot)
    return layer is not None and layer.visible


def test_before_predicting_the_table_says_what_to_do_and_the_button_is_blue(dock):
    assert dock.primary.text() == "Predict"
    assert dock.primary.isEnabled()
    assert dock.table.shown == []
    assert dock.table.empty_note.isVisible()
    assert dock.table.empty_note.text().startswith(f"Press {dock.primary.text()}")
    assert not dock.export_button.isEnabled()


def test_without_an_atlas_the_dock_says_what_to_do(open_dock, workspace):
    workspace.atlas = None
    dock = open_dock(BiomarkersDock)
    assert dock.strip.text == "No atlas yet: open the demo atlas, or build one."
    assert not dock.primary.isEnabled()


def test_maps_hold_the_predicted_and_measured_values(predicted, viewer, workspace):
    result, grid = workspace.biomarkers, workspace.encoding.grid
    column = result.markers.index("PanCK")
    map_layer = layer_in_slot(viewer, PREDICTED)
    values = map_layer.data[grid.rows, grid.cols]
    np.testing.assert_allclose(values, result.shown()[:, column])
    measured = layer_in_slot(viewer, MEASURED).data[grid.rows, grid.cols]
    np.testing.assert_allclose(measured, workspace.encoding.expression[:, 2], rtol=1e-6)
    assert tuple(map_layer.scale) == (100.0, 100.0)
    assert tuple(map_layer.translate) == (50.0, 50.0)
    assert map_layer.contrast_limits == layer_in_slot(viewer, MEASURED).contrast_limits


def test_the_map_follows_the_tissue(predicted, workspace):
    assert workspace.biomarkers.pearson_r["PanCK"] > 0.9
    assert predicted.table.rows[0].marker in ("PanCK", "CD8")


def test_unknown_tissue_has_no_value_and_is_hatched(predicted, viewer, workspace):
    outside = workspace.biomarkers.outside_atlas
    assert outside.any()
    grid = workspace.encoding.grid
    values = layer_in_slot(viewer, PREDICTED).data[grid.rows, grid.cols]
    assert np.isnan(values[outside]).all()
    alpha = layer_in_slot(viewer, OUTSIDE).data[..., 3]
    patches = alpha.reshape(grid.shape[0], 8, grid.shape[1], 8).max(axis=(1, 3)) > 0
    np.testing.assert_array_equal(patches[grid.rows, grid.cols], outside)
    assert "unlike anything in the atlas" in predicted.notes["outside"].text()


def test_both_puts_two_views_side_by_side_and_leaving_undoes_it(predicted, viewer):
    views = side_by_side_of(viewer)
    assert views.shown
    assert viewer.canvas.grid.enabled
    predicted.set_show("Predicted")
    assert not views.shown
    assert not viewer.canvas.grid.enabled
    assert shown(viewer, PREDICTED)
    assert not shown(viewer, MEASURED)


def test_difference_is_predicted_minus_measured(predicted, viewer, workspace):
    predicted.set_show("Difference")
    result, grid = workspace.biomarkers, workspace.encoding.grid
    column = result.markers.index("PanCK")
    layer = layer_in_slot(viewer, DIFFERENCE)
    wanted = result.shown()[:, column] - result.measured[:, column]
    np.testing.assert_allclose(layer.data[grid.rows, grid.cols], wanted)
    assert shown(viewer, DIFFERENCE)
    assert not shown(viewer, PREDICTED)
    assert predicted.legend.legend.title == "PanCK, predicted minus measured"


def test_grey_and_hatch_can_be_switched_off_without_a_new_prediction(predicted, viewer, qtbot):
    qtbot.waitUntil(lambda: not predicted.is_running(), timeout=60_000)
    before = predicted.workspace.biomarkers
    predicted.settings.grey.setChecked(False)
    predicted.settings.hatch.setChecked(False)
    assert not shown(viewer, DOUBT)
    assert not shown(viewer, OUTSIDE)
    assert predicted.workspace.biomarkers is before
    assert predicted.strip.text == ""


def test_fixed_limits_start_from_those_in_force_and_are_obeyed(predicted, viewer):
    before = layer_in_slot(viewer, PREDICTED).contrast_limits
    predicted.settings.rule.setCurrentText("Fixed...")
    assert predicted.settings.low.value() == pytest.approx(before[0], abs=0.01)
    predicted.settings.high.setValue(1500.0)
    assert layer_in_slot(viewer, PREDICTED).contrast_limits[1] == 1500.0
    assert layer_in_slot(viewer, MEASURED).contrast_limits[1] == 1500.0


def test_search_narrows_the_table(predicted):
    predicted.table.find_box.setText("cd")
    assert predicted.table.shown == ["CD8"]
    predicted.table.find_box.clear()
    predicted.table.group.setCurrentText("epithelium")
    assert predicted.table.shown == ["PanCK"]


def press_segment(segments, label):
    segments.buttons[label].click()


def test_ticked_markers_stand_side_by_side_with_limits_of_their_own(predicted, viewer, workspace):
    predicted.table.set_ticked("CD8", True)
    assert predicted.arrange.isVisible()
    assert predicted.arrange.choice == SIDE_BY_SIDE
    first, second = (layer_in_slot(viewer, slot) for slot in SEVERAL_SLOTS[:2])
    grid, result = workspace.encoding.grid, workspace.biomarkers
    for layer, marker in ((first, "PanCK"), (second, "CD8")):
        column = result.markers.index(marker)
        shown_values = layer.data[grid.rows, grid.cols]
        np.testing.assert_allclose(shown_values, result.shown()[:, column])
        assert layer.colorbar.visible
    assert first.contrast_limits != second.contrast_limits
    assert viewer.canvas.grid.enabled
    assert not shown(viewer, PREDICTED)
    predicted.table.set_ticked("DAPI", True)
    assert viewer.canvas.grid.shape == (1, 3)
    predicted.table.set_ticked("DAPI", False)
    predicted.table.set_ticked("CD8", False)
    assert not predicted.arrange.isVisible()
    assert layer_in_slot(viewer, SEVERAL_SLOTS[0]) is None
    assert shown(viewer, PREDICTED)


def test_ticked_markers_are_blended(predicted, viewer):
    predicted.table.set_ticked("CD8", True)
    press_segment(predicted.arrange, BLEND)
    names = [layer.name for layer in viewer.layers if layer.visible]
    assert "PanCK predicted (yellow)" in names
    assert "CD8 predicted (cyan)" in names
    assert not shown(viewer, PREDICTED)
    assert not viewer.canvas.grid.enabled
    press_segment(predicted.arrange, ONE)
    assert layer_in_slot(viewer, "marker blend 1") is None
    assert shown(viewer, PREDICTED)


def test_evidence_follows_the_ring(predicted, workspace):
    assert predicted.evidence.evidence is None
    workspace.selection = 40
    found = predicted.evidence.evidence
    column = workspace.biomarkers.markers.index("PanCK")
    assert found.value == pytest.approx(float(workspace.biomarkers.values[40, column]))
    assert found.measured == pytest.approx(float(workspace.encoding.expression[40, 2]), rel=1e-5)
    assert len(found.neighbours) == 50
    assert predicted.evidence.rows == [n.row for n in found.neighbours[:5]]
    predicted.show_marker("CD8")
    assert predicted.evidence.evidence.marker == "CD8"


def test_intervals_follow_the_maps_and_are_learnt_once(predicted, press, qtbot, workspace):
    def known():
        return workspace.biomarkers.intervals is not None

    qtbot.waitUntil(known, timeout=60_000)
    first = workspace.biomarkers.intervals
    workspace.selection = 40
    column = workspace.biomarkers.markers.index("PanCK")
    low, high = (side[40, column] for side in workspace.biomarkers.limits())
    found = predicted.evidence.evidence
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6)
    shown_text = predicted.evidence.interval.text()
    assert shown_text == found.interval_text
    assert bool(shown_text) == bool(np.isfinite(low))
    hints = {row.marker: row.hint for row in predicted.table.rows}
    held = first.checked[first.markers.index("PanCK")]
    assert (f"held {held:.0%}" in hints["PanCK"]) == bool(np.isfinite(held))
    predicted.predict()
    qtbot.waitUntil(lambda: not predicted.is_running("main"), timeout=30_000)
    qtbot.waitUntil(known, timeout=30_000)
    assert workspace.biomarkers.intervals is first
    predicted.neighbours.setValue(10)
    press(predicted)
    qtbot.waitUntil(known, timeout=60_000)
    assert workspace.biomarkers.intervals is not first


def test_all_neighbours_can_be_seen_with_their_pictures(predicted, qtbot, workspace):
    workspace.selection = 40
    assert predicted.evidence.all_button.text() == "All 50..."
    predicted.evidence.all_button.click()
    found = predicted.evidence.evidence
    assert predicted.evidence.rows == [n.row for n in found.neighbours]
    tiles = predicted.evidence.tiles
    qtbot.waitUntil(lambda: not tiles[49].picture.pixmap().isNull(), timeout=30_000)
    assert not predicted.evidence.own.pixmap().isNull()
    predicted.evidence.all_button.click()
    assert len(predicted.evidence.rows) == 5


def test_clicking_a_neighbour_opens_its_slide_beside(predicted, qtbot, viewer, workspace):
    workspace.selection = 40
    tile = predicted.evidence.tiles[0]
    qtbot.mouseClick(tile, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: layer_in_slot(viewer, BESIDE) is not None, timeout=30_000)
    pseudonym = workspace.atlas.pseudonym_of(tile.row)
    assert layer_in_slot(viewer, BESIDE).name == f"{pseudonym} beside"
    predicted.evidence_section.close_beside.click()
    assert layer_in_slot(viewer, BESIDE) is None
    assert not predicted.evidence_section.close_beside.isVisible()


def test_evidence_names_patients_by_pseudonym_only(predicted, workspace):
    workspace.selection = 40
    predicted.evidence.tiles[0].clicked.emit(predicted.evidence.tiles[0].row)
    told = predicted.evidence.told.text()
    assert told.startswith("P")
    assert "patient " not in told


def test_a_changed_setting_marks_the_result_stale_and_leaves_it(predicted, viewer):
    values = layer_in_slot(viewer, PREDICTED).data.copy()
    predicted.neighbours.setValue(10)
    assert predicted.strip.text == "Settings changed since this result."
    assert predicted.primary.text() == "Predict"
    assert predicted.legend.legend.title.endswith("(before the change)")
    np.testing.assert_array_equal(layer_in_slot(viewer, PREDICTED).data, values)


def test_predicting_again_clears_the_stale_mark(predicted, press):
    predicted.neighbours.setValue(10)
    result = press(predicted)
    assert result.request.k == 10
    assert predicted.strip.text == ""
    assert predicted.primary.text().startswith("Find niches")


def test_only_a_region_can_be_predicted(dock, press, workspace):
    dock.region_um = (600.0, 0.0, 1200.0, 800.0)
    result = press(dock)
    assert len(result) == 48
    assert (workspace.encoding.centres_um[result.rows, 0] >= 600).all()
    workspace.selection = 0
    assert dock.evidence.evidence.headline.endswith("this patch was not predicted")


def test_a_same_patient_answer_is_labelled(dock, press, workspace, stores, tmp_path):
    from napari_haiku.atlas.build import build_atlas
    from napari_haiku.jobs import run_job

    run_job(build_atlas([stores.encoding], tmp_path / "own"))
    workspace.within_patient_um = 300.0
    workspace.atlas = Atlas.open(tmp_path / "own")
    press(dock)
    assert dock.notes["same patient"].isVisible()
    assert dock.notes["same patient"].text() == SAME_PATIENT


def test_a_model_that_saw_the_image_is_owned_up_to(dock, press, workspace, monkeypatch):
    fingerprint = workspace.encoding.image_fingerprints["he"]
    card = {"training_images": [{"fingerprint": fingerprint, "region_um": None}]}
    monkeypatch.setattr(workspace.model, "card", card)
    press(dock)
    expected = "The model was trained on this image; agreement here is flattering."
    assert dock.notes["seen"].text() == expected


def test_another_models_atlas_is_refused_in_one_sentence(dock, qtbot, workspace, monkeypatch):
    monkeypatch.setitem(workspace.atlas.description["model"], "fingerprint", "other")
    dock.primary.click()
    qtbot.waitUntil(lambda: dock.strip.state == "failed", timeout=60_000)
    assert "made with another model" in dock.strip.text
    assert workspace.biomarkers is None


def test_settings_and_markers_come_back_and_the_maps_with_them(
    predicted, open_dock, qtbot, viewer, workspace
):
    predicted.table.set_ticked("CD8", True)
    predicted.set_show("Measured")
    predicted.settings.grey.setChecked(False)
    predicted.neighbours.setValue(20)
    state = predicted.session_state()
    predicted.shut_down()
    workspace.biomarkers = None
    again = open_dock(BiomarkersDock)
    with qtbot.waitSignal(again.finished, timeout=120_000):
        again.restore_session(state)
    assert workspace.biomarkers.request.k == 20
    assert again.table.ticked == ["PanCK", "CD8"]
    assert again.table.current == "PanCK"
    assert again.settings.settings == predicted.settings.settings
    assert layer_in_slot(viewer, SEVERAL_SLOTS[1]).name == "CD8 measured"


def test_another_slide_takes_the_maps_away(predicted, viewer, workspace):
    workspace.open_encoding(None)
    assert layer_in_slot(viewer, PREDICTED) is None
    assert not viewer.canvas.grid.enabled
    assert predicted.evidence.evidence is None


def test_export_writes_tables_and_maps(predicted, qtbot, workspace, tmp_path):
    predicted.export(tmp_path)
    folder = tmp_path / "p0.biomarkers"
    # The session saves itself too, and says so in the same place.
    qtbot.waitUntil(lambda: (folder / "maps.ome.zarr").is_dir(), timeout=60_000)
    qtbot.waitUntil(lambda: not predicted.is_running(), timeout=60_000)
    assert workspace.saved is not None
    assert (folder / "predictions.parquet").is_file()
    agreement = pd.read_csv(folder / "agreement.csv")
    assert {"region", "marker", "n", "r", "r_low", "r_high"} == set(agreement.columns)


def test_closing_the_dock_in_the_middle_is_safe(dock, qtbot):
    dock.primary.click()
    dock.close()
    assert not dock.is_running()


def test_a_check_that_is_given_up_says_nothing(dock, press, qtbot, monkeypatch):
    from napari_haiku.analysis.biomarkers import conformal
    from napari_haiku.jobs import Progress

    def endless(*_args, **_options):
        while True:
            time.sleep(0.01)
            yield Progress(0, 1, "Checking")

    monkeypatch.setattr(conformal, "calibrate_intervals", endless)
    press(dock)
    assert dock.is_running(LANE)
    dock.cancel(LANE)
    qtbot.waitUntil(lambda: not dock.is_running(LANE), timeout=30_000)
    assert dock.strip.text == ""
