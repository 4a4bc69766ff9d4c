from __future__ import annotations

import pytest
from slides_in_memory import mif_image

from napari_haiku.widgets.encode.marker_table import MarkerTable


@pytest.fixture
def table(qtbot):
    table = MarkerTable()
    qtbot.addWidget(table)
    table.show_image(mif_image())
    return table


def column(table, number):
    return [table.item(row, number).text() for row in range(table.rowCount())]


def test_channels_are_listed_doubtful_first(table):
    assert column(table, 0) == ["Autofluorescence", "Mystery", "DAPI", "CD8"]
    assert column(table, 1) == ["leave out", "Mystery", "DAPI", "CD8"]
    assert column(table, 2) == ["not a marker", "check this", "recognised", "recognised"]


def test_an_edit_tells_the_choices_in_the_images_order(qtbot, table):
    with qtbot.waitSignal(table.markers_changed) as told:
        table.item(1, 1).setText("CD20")
    assert told.args[0] == ["DAPI", "CD8", "", "CD20"]


def test_only_the_marker_can_be_edited(table):
    from qtpy.QtCore import Qt

    editable = Qt.ItemFlag.ItemIsEditable
    assert [bool(table.item(0, n).flags() & editable) for n in range(3)] == [False, True, False]


def test_without_an_image_it_is_empty(table):
    table.show_image(None)
    assert table.rowCount() == 0
    assert table.choices() == []


def test_another_theme_keeps_the_rows(table):
    table.set_theme("light")
    assert table.rowCount() == 4
