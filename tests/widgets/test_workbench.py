from __future__ import annotations

import threading
from pathlib import Path

import pint
import pytest
from npe2 import PluginManifest
from qtpy.QtWidgets import QDockWidget, QFileDialog, QToolBar
from slides_in_memory import he_image

from napari_haiku.viewer.slides.reading import Opened, put_slide
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.frame.navigation import DOCKS

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    _, bench = viewer.window.add_plugin_dock_widget("napari-haiku", "Workbench")
    qtbot.waitUntil(lambda: len(bench.docks) == len(DOCKS), timeout=30_000)
    qtbot.wait(50)
    return viewer, bench


def test_it_opens_five_tabs_and_the_line_and_steps_aside(bench, qtbot):
    viewer, workbench = bench
    window = workbench.docks["Encode"].window()
    titles = {dock.windowTitle() for dock in window.findChildren(QDockWidget)}
    assert {"Encode", "Similar", "Biomarkers", "Niches", "Counterfactual"} <= titles
    assert workbench.docks["Encode"].isVisible()
    assert not workbench.isVisible()
    line = window.findChild(QToolBar, "haiku-status")
    assert line.isVisible()
    assert line.text == "No slide | No atlas | Research use only"
    workspace = workspace_of(viewer)
    put_slide(viewer, workspace, Opened.of(he_image(), None))
    assert line.text.startswith("Slide slide | not encoded | No atlas")
    workspace.busy = "Encoding"
    assert "Encoding..." in line.text
    workspace.saved = REPOSITORY
    assert "saved " in line.text


def test_no_thread_reads_the_units_where_a_layer_may_look(make_napari_viewer, qtbot, monkeypatch):
    # A layer made meanwhile found half of them, failed, and the slide opened never came.
    read_in = []
    reading = "_LazyRegistry__init"
    read = getattr(pint.LazyRegistry, reading)

    def noted(registry):
        read_in.append(threading.current_thread())
        read(registry)

    monkeypatch.setattr(pint.LazyRegistry, reading, noted)
    before = pint.application_registry.get()
    pint.set_application_registry(pint.LazyRegistry())
    try:
        viewer = make_napari_viewer(show=True)
        _, workbench = viewer.window.add_plugin_dock_widget("napari-haiku", "Workbench")
        qtbot.waitUntil(lambda: workbench._jobs.is_running(), timeout=30_000)
        qtbot.waitUntil(lambda: not workbench._jobs.is_running(), timeout=60_000)
        assert set(read_in) <= {threading.main_thread()}
        assert type(pint.application_registry.get()) is not pint.LazyRegistry
    finally:
        pint.set_application_registry(before)


def test_a_dock_taken_away_by_its_cross_stops_and_can_come_back(bench, qtbot):
    viewer, workbench = bench
    first = workbench.docks["Niches"]
    dock, _ = viewer.window.add_plugin_dock_widget("napari-haiku", "Niches")
    viewer.window.remove_dock_widget(dock)
    qtbot.wait(50)
    first.go_to("Niches")
    _, again = viewer.window.add_plugin_dock_widget("napari-haiku", "Niches")
    assert again is not first
    again.refresh()


def test_the_manifest_is_found_and_the_one_at_the_top_is_the_same():
    manifest = PluginManifest.from_distribution("napari-haiku")
    names = [widget.display_name for widget in manifest.contributions.widgets]
    assert names == ["Workbench", *DOCKS, "Regions"]
    inside = (REPOSITORY / "src" / "napari_haiku" / "napari.yaml").read_text(encoding="utf-8")
    assert (REPOSITORY / "napari.yaml").read_text(encoding="utf-8") == inside


def test_every_command_of_the_manifest_can_be_imported():
    from importlib import import_module

    for command in PluginManifest.from_distribution("napari-haiku").contributions.commands:
        module, name = command.python_name.split(":")
        assert hasattr(import_module(module), name), command.id


def test_file_dialogs_of_the_menu_belong_to_the_window(bench, monkeypatch):
    """The flat look of the Haiku line would make them unreadable."""
    _viewer, workbench = bench
    windows = []

    def ask(parent, *_rest):
        windows.append(parent.isWindow())
        return ("", "")

    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(ask))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", staticmethod(lambda *a: ask(*a)[0]))
    workbench.menu._choose_copy()
    workbench.menu._choose_session()
    assert windows == [True, True]
