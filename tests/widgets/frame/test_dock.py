from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_haiku.atlas.shipped import shipped_atlas
from napari_haiku.atlas.store import Atlas
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Progress
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.frame import jobs
from napari_haiku.widgets.frame.dock import HaikuDock


class PlainDock(HaikuDock):
    title = "Plain"
    needs = ("slide", "encoding", "atlas")

    def build(self):
        self.pressed = 0
        self.body.addWidget(QLabel("controls"))
        self.set_primary("Go")

    def press_primary(self):
        self.pressed += 1


class SlideDock(PlainDock):
    needs = ("slide",)


def working(n, pause=0.0, gate=None):
    for done in range(n):
        if gate is not None:
            gate.wait(10)
        time.sleep(pause)
        yield Progress(done, n, "Working")
    return "answer"


@pytest.fixture
def dock(open_dock, viewer):
    workspace_of(viewer).he = SimpleNamespace()
    return open_dock(SlideDock)


def test_without_a_slide_it_says_how_to_start(open_dock):
    dock = open_dock(PlainDock)
    assert dock._empty.sentence.text() == "Open a slide to start."
    assert dock._empty.open_button.isVisible()
    assert dock._empty.sample_button.isVisible()
    assert not dock.primary.isVisible()


def test_without_an_encoding_it_leads_to_encode(open_dock, workspace):
    workspace.open_encoding(None)
    workspace.he = SimpleNamespace()
    dock = open_dock(PlainDock)
    assert dock._empty.sentence.text() == "This slide is not encoded yet."
    assert dock._empty.encode_button.isVisible()


def test_without_an_atlas_its_controls_show_but_do_nothing(open_dock, workspace):
    workspace.atlas = None
    dock = open_dock(PlainDock)
    assert dock.strip.text == "No atlas yet: open the demo atlas, or build one."
    assert [button.text() for button in dock.strip.buttons] == ["Open demo atlas", "Build..."]
    assert not dock._content.isEnabled()
    assert not dock.primary.isEnabled()


def test_with_everything_it_is_ready_and_names_its_atlas(open_dock, workspace):
    dock = open_dock(PlainDock)
    assert dock.strip.text == ""
    assert dock.primary.isEnabled()
    assert dock.atlas_line.text.startswith("Atlas atlas · 11 patients · ")


def test_the_atlas_that_ships_is_called_so_and_its_line_is_told_whole(open_dock, workspace):
    dock = open_dock(PlainDock)
    workspace.atlas = atlas = Atlas.open(shipped_atlas())
    counts = f"{atlas.n_patients} patients · {atlas.n_patches:,} patches"
    # Of another model than these slides: said before its name.
    assert dock.atlas_line.text.endswith(f" · Demo atlas · {counts}")
    assert dock.atlas_line._label.toolTip().startswith(f"{dock.atlas_line.text}.")


def test_an_atlas_of_another_model_is_marked(open_dock, workspace):
    dock = open_dock(PlainDock)
    workspace.atlas = SimpleNamespace(
        path=None,
        name="x",
        n_patients=1,
        patches=[1],
        model_name="other",
        model_fingerprint="other",
    )
    assert dock.atlas_line.text.startswith("Other model (other)")


def test_ctrl_enter_presses_the_blue_button(qtbot, dock):
    dock.activateWindow()
    qtbot.waitUntil(dock.isActiveWindow)
    qtbot.keyClick(dock, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert dock.pressed == 1


def test_progress_shows_only_after_a_while_and_ends_with_the_answer(qtbot, dock):
    seen = []
    dock.run(working(30, 0.02), seen.append, "Working")
    assert dock.strip.text == ""
    assert dock.workspace.busy == "Working"
    qtbot.waitUntil(lambda: "of 30 patches" in dock.strip.text)
    assert [button.text() for button in dock.strip.buttons] == ["Cancel"]
    qtbot.waitUntil(lambda: seen == ["answer"])
    assert not dock.strip.isVisible()
    assert dock.workspace.busy is None


def test_cancel_keeps_what_is_finished_and_says_so(qtbot, dock):
    stopped = []
    dock.run(working(10_000, 0.01), stopped.append, "Working", on_stopped=stopped.append)
    qtbot.waitUntil(lambda: bool(dock.strip.buttons))
    qtbot.mouseClick(dock.strip.buttons[0], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(stopped))
    assert 0 < stopped[0].done < 10_000
    assert not dock.is_running()


def test_escape_cancels(qtbot, dock):
    dock.run(working(10_000, 0.01), lambda _r: None, "Working")
    dock.activateWindow()
    qtbot.waitUntil(dock.isActiveWindow)
    qtbot.keyClick(dock, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: dock.strip.text == "Stopped.")


def test_a_known_failure_is_its_sentence(qtbot, dock):
    def fail():
        raise HaikuError("The disk is full: free some space.")

    dock.run(fail, lambda _r: None, "Working")
    qtbot.waitUntil(lambda: dock.strip.state == "failed")
    assert dock.strip.text == "The disk is full: free some space."
    assert dock.strip.buttons == []


def test_an_unexpected_failure_offers_its_details(qtbot, dock):
    def fail():
        raise ZeroDivisionError("inner")

    dock.run(fail, lambda _r: None, "Working")
    qtbot.waitUntil(lambda: dock.strip.state == "failed")
    assert "unexpected" in dock.strip.text
    assert [button.text() for button in dock.strip.buttons] == ["Details"]


def test_good_news_outlives_the_next_small_job(qtbot, dock):
    dock.strip.say("done", "12 patches.", bold="Encoded.")
    dock.run(working(30, 0.02), lambda _r: None, "Opening")
    qtbot.waitUntil(lambda: dock.strip.state == "running")
    qtbot.waitUntil(lambda: dock.strip.state == "done")
    assert dock.strip.text == "Encoded. 12 patches."


def test_a_closed_dock_answers_nobody_and_leaves_no_thread(qtbot, dock):
    seen, gate = [], threading.Event()
    dock.run(working(5, gate=gate), seen.append, "Working")
    gate.set()
    dock.close()
    assert not jobs._threads
    dock.workspace.he = None
    dock.run(lambda: 1, seen.append, "Working")
    qtbot.wait(20)
    assert seen == []


def test_a_stale_result_says_so_and_offers_an_update(dock):
    asked = []
    dock.mark_stale(lambda: asked.append(True))
    assert dock.strip.state == "caution"
    dock.strip.buttons[0].click()
    assert asked == [True]


def test_the_theme_reaches_the_dock(dock):
    dark = dock.styleSheet()
    dock.viewer.theme = "light"
    assert dock.styleSheet() != dark


def test_the_sample_is_opened_once_and_says_so_at_once(qtbot, open_dock, monkeypatch):
    going, made = threading.Event(), []

    def opening(_folder):
        made.append(1)
        yield Progress(0, 1, "Making the slide")
        going.wait(10)
        raise HaikuError("No room: free some space.")

    monkeypatch.setattr("napari_haiku.widgets.frame.slide_opening.open_sample", opening)
    dock = open_dock(PlainDock)
    button = dock._empty.sample_button
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert dock.strip.state == "running"
    assert dock.strip.text == "Opening the sample..."
    assert not button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    going.set()
    qtbot.waitUntil(lambda: dock.strip.state == "failed")
    assert made == [1]
    assert button.isEnabled()
