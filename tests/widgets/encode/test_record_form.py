from __future__ import annotations

import pytest
from qtpy.QtWidgets import QApplication, QLineEdit

from napari_haiku.clinical import field_label
from napari_haiku.errors import HaikuError
from napari_haiku.widgets.encode.record_form import RecordForm, pasted_record


@pytest.fixture
def form(qtbot):
    form = RecordForm()
    qtbot.addWidget(form)
    form.set_record({"patient_id": "C01", "stage": "II", "diagnosis": "a long diagnosis indeed"})
    return form


def test_what_is_typed_is_the_record(qtbot, form):
    with qtbot.waitSignal(form.changed):
        editor = form.field_editor("stage")
        editor.clear()
        qtbot.keyClicks(editor, "IV")
        editor.editingFinished.emit()
    assert form.record()["stage"] == "IV"


def test_an_emptied_field_is_left_out(qtbot, form):
    editor = form.field_editor("stage")
    editor.clear()
    editor.textEdited.emit("")
    assert "stage" not in form.record()


def test_identifying_fields_are_locked_and_not_readable(form):
    editor = form.field_editor("patient_id")
    assert not editor.isEnabled()
    assert editor.echoMode() == QLineEdit.EchoMode.Password


def test_the_atlas_offers_fields_and_values_without_filling_them(form):
    form.set_known({"stage": ["II", "IV"], "grade": ["low"]})
    assert form.field_editor("grade").text() == ""
    assert form.field_editor("stage").text() == "II"
    model = form.field_editor("stage").completer().model()
    assert [model.data(model.index(row, 0)) for row in range(model.rowCount())] == ["II", "IV"]
    assert "grade" not in form.record()


def test_a_pasted_row_replaces_the_record(qtbot, form):
    QApplication.clipboard().setText("stage\tgrade\nIII\thigh\n")
    with qtbot.waitSignal(form.changed):
        form.paste_button.click()
    assert form.record() == {"stage": "III", "grade": "high"}


def test_what_is_no_record_is_refused_in_a_sentence(qtbot, form):
    QApplication.clipboard().setText("just words")
    with qtbot.waitSignal(form.failed):
        form.paste_button.click()
    assert form.record()["stage"] == "II"


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("a\tb\n1\t2", {"a": "1", "b": "2"}),
        ("a\t1\nb\t2\nc\t3", {"a": "1", "b": "2", "c": "3"}),
        ("stage\tIV", {"stage": "IV"}),
    ],
)
def test_two_layouts_of_a_spreadsheet_are_read(text, record):
    assert pasted_record(text) == record


@pytest.mark.parametrize("text", ["", "word", "a\tb\tc\n1\t2"])
def test_other_layouts_are_refused(text):
    with pytest.raises(HaikuError, match="copy the row"):
        pasted_record(text)


def test_field_names_are_field_label():
    assert field_label("tumor_stage") == "Tumor stage"
    assert field_label("tnm") == "TNM"
