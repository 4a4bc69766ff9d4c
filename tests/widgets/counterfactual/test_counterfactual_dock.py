from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt

from napari_haiku.atlas.store import Atlas
from napari_haiku.notices import ASSOCIATION
from napari_haiku.viewer.biomarkers.map_layers import OUTSIDE
from napari_haiku.viewer.counterfactual.shift_layers import NOT_SUPPORTED, SHIFT
from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.layers.stacking import SEVERAL_SLOTS
from napari_haiku.widgets.counterfactual.counterfactual_dock import CounterfactualDock
from napari_haiku.widgets.counterfactual.edit_section import EditSection
from napari_haiku.widgets.frame.navigation import ENCODE


def stage_box(dock):
    return dock.edit.form.boxes["stage"]


def test_the_notice_is_always_there(dock):
    assert dock.notice.text() == ASSOCIATION
    assert dock.notice.isVisible()


def test_choices_carry_the_patients_that_have_them(dock):
    box = stage_box(dock)
    texts = [box.itemText(i) for i in range(box.count())]
    assert texts[:3] == ["I (3 patients)", "II (4 patients)", "IV (4 patients)"]
    assert box.currentText() == "II (4 patients)"


def test_nothing_can_be_asked_before_a_field_changed(dock):
    assert dock.primary.text() == "Show shift"
    assert not dock.primary.isEnabled()
    assert dock.support_text.text() == "Change a field to ask."


def test_a_changed_field_is_marked_and_can_be_undone(dock):
    dock.set_field("stage", "IV")
    assert stage_box(dock).property("changed") is True
    assert dock.edit.form.labels["stage"].text() == "\N{BLACK CIRCLE} Stage"
    assert "<s>II</s>" in dock.edit.caption.text()
    assert dock.support_text.text() == "4 of 11 patients carry stage IV."
    dock.edit.undo_button.click()
    assert dock.edits == {}
    assert stage_box(dock).property("changed") is False
    dock.edit.redo_button.click()
    assert dock.edits == {"stage": "IV"}
    dock.edit.reset_button.click()
    assert dock.edits == {}


def test_choosing_in_the_form_edits_the_record(dock):
    box = stage_box(dock)
    index = box.findData("I")
    box.setCurrentIndex(index)
    box.activated.emit(index)
    assert dock.edits == {"stage": "I"}


def test_another_value_can_be_typed(dock, qtbot):
    box = stage_box(dock)
    index = box.findText("another value...")
    box.setCurrentIndex(index)
    box.activated.emit(index)
    qtbot.keyClicks(box.lineEdit(), "III")
    qtbot.keyClick(box.lineEdit(), Qt.Key.Key_Return)
    assert dock.edits == {"stage": "III"}
    assert stage_box(dock).currentText() == "III (0 patients)"
    assert stage_box(dock).is_greyed("III")
    assert not stage_box(dock).is_greyed("IV")


def test_shift_map_holds_the_shift_of_each_patch(answered, viewer, workspace):
    answered.show_marker("PanCK")
    result, grid = workspace.counterfactual, workspace.encoding.grid
    layer = layer_in_slot(viewer, SHIFT)
    column = result.markers.index("PanCK")
    np.testing.assert_allclose(layer.data[grid.rows, grid.cols], result.shown()[:, column])
    assert layer.name.removesuffix(NOT_SUPPORTED) == "PanCK shift: Stage IV"
    assert layer.contrast_limits[0] == -layer.contrast_limits[1]
    assert layer_in_slot(viewer, OUTSIDE).visible
    title = answered.answer.legend.legend.title
    assert title.replace(NOT_SUPPORTED, "") == "PanCK shift, stage II to IV, SD of the atlas"


def test_a_long_record_folds_to_what_changed_once_the_answer_is_there(qtbot):
    section = EditSection()
    qtbot.addWidget(section)
    fields = [f"field {i}" for i in range(9)]
    section.show_fields({field: {"a": 3, "b": 2} for field in fields})
    section.start_from(dict.fromkeys(fields, "a"))
    section.set_field("field 3", "b")
    section.show()
    assert all(box.isVisible() for box in section.form.boxes.values())
    section.fold(True)
    visible = [field for field, box in section.form.boxes.items() if box.isVisible()]
    assert visible == ["field 3"]
    assert section.unfold_button.text() == "All 9 fields"
    section.unfold_button.click()
    assert all(box.isVisible() for box in section.form.boxes.values())
    assert not section.unfold_button.isVisible()
    section.fold(True)
    section.reset()
    assert all(box.isVisible() for box in section.form.boxes.values())


def test_chart_rows_are_sorted_and_a_click_maps_them(answered, qtbot, viewer):
    rows = answered.answer.chart.rows
    shifts = [(row.supported, row.shift) for row in rows]
    assert shifts == sorted(shifts, reverse=True)
    where = answered.answer.chart.row_centre("CD8").toPoint()
    qtbot.mouseClick(answered.answer.chart, Qt.MouseButton.LeftButton, pos=where)
    assert layer_in_slot(viewer, SHIFT).name.startswith("CD8 shift")
    assert answered.workspace.marker == "CD8"


def test_a_cell_changes_niche_and_marker(answered, qtbot, viewer):
    cells = answered.answer.cells
    where = cells.cell_centre(2, "PanCK").toPoint()
    qtbot.mouseClick(cells, Qt.MouseButton.LeftButton, pos=where)
    assert answered.answer.niche.currentData() == 2
    assert layer_in_slot(viewer, SHIFT).name.startswith("PanCK shift")


def test_support_is_told_with_gauge_and_sentence(answered, workspace):
    support = workspace.counterfactual.support
    assert support.patients == 4
    assert answered.gauge.support is support
    assert answered.gauge.step == 1
    assert answered.support_text.text() == support.sentence


def test_a_further_edit_makes_the_answer_stale_and_back_again_fresh(answered):
    answered.set_field("stage", "I")
    assert answered.strip.text == "Settings changed since this result."
    assert answered.primary.text() == "Show shift"
    answered.undo()
    assert answered.strip.text == ""
    assert answered.primary.text() == "Report..."


def test_a_quick_answer_is_renewed_by_itself(answered, qtbot, workspace):
    answered._last_run_s = 0.1
    answered.live.setChecked(True)
    with qtbot.waitSignal(answered.finished, timeout=120_000):
        answered.set_field("stage", "I")
    assert workspace.counterfactual.edit.after == {"stage": "I"}


def test_a_one_patient_atlas_refuses_in_one_sentence(open_dock, qtbot, workspace, stores):
    workspace.atlas = Atlas.open(stores.one_patient)
    dock = open_dock(CounterfactualDock)
    dock.set_field("stage", "IV")
    assert dock.support_text.text() == "0 of 1 patients carry stage IV."
    dock.primary.click()
    qtbot.waitUntil(lambda: dock.strip.state == "failed", timeout=60_000)
    assert dock.strip.text == (
        "The atlas has no patient with stage IV, so it cannot say what would shift."
    )
    assert workspace.counterfactual is None


def test_a_slide_without_record_says_what_to_do(open_dock, workspace, monkeypatch):
    monkeypatch.setitem(workspace.encoding._attributes, "record", {})
    dock = open_dock(CounterfactualDock)
    assert dock.edit.form.fields == ()
    assert dock.edit.no_fields.isVisible()
    assert dock.edit.no_fields.text() == (
        "This slide has no clinical record yet: type one in Encode."
    )
    assert dock.support_text.text() == ""
    went = []
    monkeypatch.setattr(dock, "go_to", went.append)
    dock.edit.encode_button.click()
    assert went == [ENCODE]


def test_a_record_of_other_fields_is_told_from_none(open_dock, workspace, monkeypatch):
    monkeypatch.setitem(workspace.encoding._attributes, "record", {"ward": "7"})
    dock = open_dock(CounterfactualDock)
    assert dock.edit.no_fields.text().startswith("The slide's record shares no field")
    assert dock.edit.encode_button.isVisible()


def test_fields_without_meaning_stand_under_a_heading(qtbot):
    section = EditSection()
    qtbot.addWidget(section)
    fields = ("stage", "grade", "sex", "lid", "tape")
    section.show_fields({field: {"a": 3, "b": 2} for field in fields}, ("lid", "tape"))
    section.start_from(dict.fromkeys(fields, "a"))
    section.resize(340, 400)
    section.show()
    form = section.form
    assert form.idle_heading.isVisible()
    assert form.idle_heading.text() == "Without meaning, to test the model"
    assert form.boxes["sex"].y() < form.idle_heading.y() < form.labels["lid"].y()
    section.set_field("stage", "b")
    section.fold(True)
    assert not form.idle_heading.isVisible()
    section.set_field("tape", "b")
    assert form.idle_heading.isVisible()
    section.show_fields({"stage": {"a": 3}})
    assert not form.idle_heading.isVisible()


def test_the_report_is_written_beside_its_tables(answered, qtbot, workspace, tmp_path):
    answered.write_report(tmp_path)
    folder = tmp_path / "p0.counterfactual"
    # The session saves itself too, and says so in the same place.
    qtbot.waitUntil(lambda: (folder / "report.html").is_file(), timeout=120_000)
    qtbot.waitUntil(lambda: not answered.is_running(), timeout=120_000)
    assert workspace.saved is not None
    assert (folder / "shifts.csv").is_file()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert ASSOCIATION in page
    assert "patient 1" not in page


def test_another_slide_takes_the_answer_away(answered, viewer, workspace):
    workspace.open_encoding(None)
    assert layer_in_slot(viewer, SHIFT) is None
    assert not answered.answer.isVisible()
    assert answered.edits == {}


def test_who_answers_stands_side_by_side(answered, qtbot, workspace):
    workspace.selection = 40
    answered.show_marker("PanCK")
    result, sides = workspace.counterfactual, answered.who.sides
    assert [tile.row for tile in sides.baseline.tiles] == result.neighbours_before[40][:3].tolist()
    assert [tile.row for tile in sides.edited.tiles] == result.neighbours_after[40][:3].tolist()
    assert sides.sides.marker == "PanCK"
    both = (sides.sides.baseline, sides.sides.edited)
    # The shift is what the means of the two sides differ by, in other units.
    means = [np.mean([one.value for one in side]) for side in both]
    column = result.markers.index("PanCK")
    assert sides.sides.shift == result.shift[40, column]
    assert np.sign(means[1] - means[0]) == np.sign(sides.sides.shift)
    atlas = workspace.atlas
    for one in (*both[0], *both[1]):
        assert one.carries == (atlas.record_of(one.row)["stage"] == "IV")
    tile = sides.edited.tiles[0]
    qtbot.waitUntil(lambda: not tile.picture.pixmap().isNull(), timeout=30_000)
    qtbot.mouseClick(tile, Qt.MouseButton.LeftButton)
    assert sides.told.text().startswith("P")
    assert "patient " not in sides.told.text()


def keep(dock):
    dock.scenario_bar.keep.click()


def test_kept_scenarios_come_back_without_asking_again(answered, press, workspace):
    first = workspace.counterfactual
    assert not answered.scenario_bar.compare.isEnabled()
    keep(answered)
    assert answered.scenario_bar.current == "Stage IV"
    answered.set_field("stage", "I")
    press(answered)
    assert answered.scenario_bar.current is None
    keep(answered)
    box = answered.scenario_bar.names
    assert [box.itemText(i) for i in range(box.count())] == ["Stage IV", "Stage I"]
    box.setCurrentIndex(0)
    box.activated.emit(0)
    assert workspace.counterfactual is first
    assert answered.edits == {"stage": "IV"}
    assert answered.strip.text == ""
    answered.scenario_bar.forget.click()
    assert answered.keeping.scenarios.names == ["Stage I"]


def test_a_kept_scenario_is_renamed_by_typing_over_its_name(answered, qtbot):
    bar = answered.scenario_bar
    assert not bar.names.isEditable()
    bar.keep.click()
    line = bar.names.lineEdit()
    line.setText("Late disease")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert bar.current == "Late disease"
    assert answered.keeping.scenarios.names == ["Late disease"]
    assert answered.session_state()["scenarios"][0]["name"] == "Late disease"
    line = bar.names.lineEdit()
    line.setText("  ")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert bar.names.currentText() == "Late disease"


def test_scenarios_are_compared_side_by_side_with_the_same_limits(answered, press, viewer):
    keep(answered)
    answered.set_field("stage", "I")
    press(answered)
    answered.show_marker("PanCK")
    answered.scenario_bar.compare.click()
    layers = [layer_in_slot(viewer, slot) for slot in SEVERAL_SLOTS[:2]]
    names = [layer.name.removesuffix(NOT_SUPPORTED) for layer in layers]
    assert names == ["PanCK shift: Stage IV", "PanCK shift: Stage I"]
    assert layers[0].contrast_limits == layers[1].contrast_limits
    largest = max(float(np.nanpercentile(np.abs(layer.data), 98)) for layer in layers)
    assert layers[0].contrast_limits[1] <= 1.5 * largest
    assert viewer.canvas.grid.enabled
    assert layer_in_slot(viewer, SHIFT) is None
    answered.scenario_bar.compare.click()
    assert not viewer.canvas.grid.enabled
    assert layer_in_slot(viewer, SHIFT).visible


def test_other_settings_leave_the_edits_and_drop_their_answers(answered):
    keep(answered)
    answered.neighbours.setValue(10)
    assert answered.keeping.scenarios.kept[0].maps is None
    assert answered.keeping.scenarios.names == ["Stage IV"]


def test_edits_and_scenarios_come_back_and_are_asked_again(answered, open_dock, qtbot, workspace):
    keep(answered)
    answered.neighbours.setValue(20)
    answered.ask()
    qtbot.waitUntil(lambda: answered.fresh_maps is not None, timeout=120_000)
    state = answered.session_state()
    answered.shut_down()
    workspace.counterfactual = None
    again = open_dock(CounterfactualDock)
    with qtbot.waitSignal(again.finished, timeout=120_000):
        again.restore_session(state)
    assert workspace.counterfactual.edit.after == {"stage": "IV"}
    assert workspace.counterfactual.provenance["neighbours"] == 20
    assert again.scenario_bar.current == "Stage IV"


def test_long_names_of_niches_do_not_widen_the_dock(answered, workspace):
    answered.workspace.selection = 40
    answered.show_marker("PanCK")
    names = dict.fromkeys(workspace.counterfactual.niches.names, "Tumour bed with fibrosis " * 6)
    answered.answer.name_niches(names)
    # The viewport of the dock in a window of 1366 x 768 pixels.
    assert answered._content.minimumSizeHint().width() <= 353
    assert answered.answer.niche.currentText() in answered.answer.niche.toolTip()
