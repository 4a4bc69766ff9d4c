"""The menu behind Export."""

from __future__ import annotations

import json
from types import MethodType

from qtpy.QtWidgets import QPushButton

from napari_haiku.widgets.niches.niches_dock import NichesDock
from napari_haiku.widgets.out import export_menu as room


def test_the_menu_offers_every_format_and_the_docks_own(workspace, open_dock):
    dock = open_dock(NichesDock)
    called = []
    button = QPushButton(dock)
    # A method, held weakly: the menu is the dock's own child.
    own = MethodType(lambda _dock: called.append("own"), dock)
    dock.own_export = own
    room.attach_export_menu(button, dock, own, "These tables...")
    actions = [action for action in button.menu().actions() if not action.isSeparator()]
    assert actions[0].text() == "These tables..."
    assert len(actions) == 1 + len(room.ENTRIES)
    actions[0].trigger()
    assert called == ["own"]


def test_a_format_is_chosen_named_and_written(qtbot, workspace, open_dock, tmp_path, monkeypatch):
    dock = open_dock(NichesDock)
    chosen = tmp_path / "mine"
    monkeypatch.setattr(room.QFileDialog, "getSaveFileName", lambda *_: (str(chosen), ""))
    menu = room.export_menu(dock)
    menu.actions()[0].trigger()
    path = tmp_path / "mine.geojson"
    qtbot.waitUntil(path.exists, timeout=60_000)
    qtbot.waitUntil(lambda: "patches written" in dock.strip.text, timeout=10_000)
    features = json.loads(path.read_text())["features"]
    assert len(features) == workspace.encoding.n_patches
    assert workspace.saved == path


def test_what_cannot_be_written_is_said(qtbot, workspace, open_dock, tmp_path):
    dock = open_dock(NichesDock)
    (tmp_path / "a.csv").write_text("mine")
    room.export_slide(dock, "csv", tmp_path / "a.csv")
    qtbot.waitUntil(lambda: "exists already" in dock.strip.text, timeout=60_000)
    assert (tmp_path / "a.csv").read_text() == "mine"
    workspace.open_encoding(None)
    room.export_slide(dock, "csv", tmp_path / "b.csv")
    assert "encode it first" in dock.strip.text


def test_a_figure_asks_what_of(qtbot, workspace, open_dock, tmp_path, monkeypatch):
    dock = open_dock(NichesDock)
    offered = []

    def choose(*arguments):
        offered.extend(arguments[3])
        return offered[0], True

    path = tmp_path / "a.svg"
    monkeypatch.setattr(room.QInputDialog, "getItem", choose)
    monkeypatch.setattr(room.QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    room.choose_and_export(dock, "figure", "")
    qtbot.waitUntil(path.exists, timeout=60_000)
    assert offered == [f"{marker} measured" for marker in workspace.encoding.markers]
