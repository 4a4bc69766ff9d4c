"""The table of drawn regions."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from napari.layers import Shapes
from qtpy.QtGui import QGuiApplication

from napari_haiku.viewer.layers.layer_slots import SLOT
from napari_haiku.widgets.out.regions_widget import RegionsWidget

UM = {"units": ("um", "um")}


@pytest.fixture
def widget(workspace, open_dock):
    return open_dock(RegionsWidget)


def box(workspace, share=1.0):
    """A box around a share of the slide's patches, y before x."""
    centres = workspace.encoding.centres_um
    (x0, y0), (x1, y1) = centres.min(axis=0) - 50, centres.max(axis=0) + 50
    x1 = x0 + share * (x1 - x0)
    return np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]])


def draw(viewer, data, **how):
    layer = Shapes([data], shape_type="polygon", **{**UM, **how})
    viewer.layers.append(layer)
    return layer


def cell(widget, row, name):
    names = [widget.table.horizontalHeaderItem(i).text() for i in range(widget.table.columnCount())]
    return widget.table.item(row, names.index(name[:1].upper() + name[1:])).text()


def test_drawing_fills_the_table(qtbot, widget, viewer, workspace):
    assert "Draw a shape" in widget.said.text() or not widget.said.text()
    layer = draw(viewer, box(workspace), name="Mine")
    qtbot.waitUntil(lambda: widget.table.rowCount() == 1)
    assert cell(widget, 0, "region") == "Mine 1"
    assert cell(widget, 0, "patches") == str(workspace.encoding.n_patches)
    expected = float(np.nanmean(workspace.encoding.expression[:, 0]))
    marker = workspace.encoding.markers[0]
    assert float(cell(widget, 0, f"{marker} measured")) == pytest.approx(expected, rel=1e-3)
    layer.add_polygons(box(workspace, 0.5))
    qtbot.waitUntil(lambda: widget.table.rowCount() == 2)
    assert int(cell(widget, 1, "patches")) < workspace.encoding.n_patches


def test_the_table_is_copied_with_headings(qtbot, widget, viewer, workspace):
    draw(viewer, box(workspace))
    qtbot.waitUntil(lambda: widget.primary.isEnabled())
    widget.primary.click()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].split("\t")[:4] == ["region", "class", "area_mm2", "patches"]
    assert len(lines) == 2


def test_layers_renamed_and_deleted(qtbot, widget, viewer, workspace):
    first, second = draw(viewer, box(workspace)), draw(viewer, box(workspace, 0.5))
    ring = Shapes([box(workspace)], metadata={SLOT: "query"}, **UM)
    viewer.layers.append(ring)
    assert widget.layers.count() == 2
    widget.layers.setCurrentIndex(widget.layers.findData(second))
    second.name = "Renamed"
    assert widget.layers.currentText() == "Renamed"
    viewer.layers.remove(second)
    assert widget.layer() is first
    viewer.layers.clear()
    widget.describe()
    assert widget.layer() is None
    assert widget.table.rowCount() == 0
    assert not widget.primary.isEnabled()


def test_out_and_in_again(qtbot, widget, viewer, workspace, tmp_path):
    draw(viewer, box(workspace, 0.5), features={"name": ["Left"], "class": ["Tumour"]})
    qtbot.waitUntil(lambda: bool(widget.regions))
    patches = cell(widget, 0, "patches")
    widget.export(tmp_path / "regions.csv")
    assert pd.read_csv(tmp_path / "regions.csv").loc[0, "region"] == "Left"
    assert (tmp_path / "regions.csv.provenance.json").is_file()
    widget.export(tmp_path / "regions.csv")
    assert "exists already" in widget.strip.text
    widget.export(tmp_path / "regions.geojson")
    feature = json.loads((tmp_path / "regions.geojson").read_text())["features"][0]
    assert feature["properties"]["classification"]["name"] == "Tumour"
    viewer.layers.clear()
    widget.bring_in(tmp_path / "regions.geojson")
    qtbot.waitUntil(lambda: widget.table.rowCount() == 1)
    assert cell(widget, 0, "region") == "Left"
    assert cell(widget, 0, "patches") == patches


def test_a_file_that_is_none(widget, tmp_path):
    (tmp_path / "a.geojson").write_text("nothing")
    widget.bring_in(tmp_path / "a.geojson")
    assert "cannot be read as GeoJSON" in widget.strip.text


def test_a_closed_widget_hears_no_more(qtbot, widget, viewer, workspace):
    layer = draw(viewer, box(workspace))
    widget.shut_down()
    layer.add_polygons(box(workspace, 0.5))
    layer.name = "Later"
    viewer.layers.remove(layer)
    assert not widget._later.isActive()
