from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget
from slides_in_memory import he_image

from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.frame import tour as tours
from napari_haiku.widgets.frame.tour import STOPS, Tour


@pytest.fixture
def seen(tmp_path, monkeypatch):
    path = tmp_path / "fresh" / "shown_around"
    monkeypatch.setattr(tours, "seen_file", lambda: path)
    return path


@pytest.fixture
def tour(qtbot, viewer, seen):
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(1000, 700)
    docks = {stop.dock: QWidget(window) for stop in STOPS}
    for dock in docks.values():
        dock.setGeometry(600, 50, 380, 600)
    window.show()
    raised = []

    def raise_dock(name):
        raised.append(name)
        return docks[name]

    tour = Tour(viewer, window, raise_dock)
    tour.raised = raised
    # The tour itself keeps no window alive.
    tour.kept = window
    return tour


def test_a_newcomer_is_shown_around_once(qtbot, tour, seen):
    tour.start_once()
    assert tour.running
    for number in range(1, 5):
        assert tour.bubble.title.text().startswith(str(number))
        assert tour.bubble.count.text() == f"{number} of 4"
        qtbot.mouseClick(tour.bubble.next_button, Qt.MouseButton.LeftButton)
    assert not tour.running
    assert tour.raised == [*(stop.dock for stop in STOPS), "Encode"]
    assert seen.exists()
    tour.start_once()
    assert not tour.running
    tour.start()
    assert tour.running


def test_it_can_be_skipped_for_good(qtbot, tour, seen):
    tour.start_once()
    qtbot.mouseClick(tour.bubble.skip_button, Qt.MouseButton.LeftButton)
    assert not tour.running
    assert seen.exists()


def test_doing_what_a_bubble_says_goes_on(qtbot, tour, viewer, stores):
    tour.start_once()
    events = workspace_of(viewer).events
    followed = len(events.he)
    workspace_of(viewer).he = he_image()
    qtbot.waitUntil(lambda: tour.bubble.count.text() == "2 of 4")
    assert len(events.he) == followed - 1
    # No dock is raised unasked: the encoding arrives, the bubble stays.
    workspace_of(viewer).open_encoding(stores.open_encoding())
    qtbot.wait(30)
    assert tour.bubble.count.text() == "2 of 4"
    assert set(tour.raised) == {"Encode"}


def test_skipping_in_the_very_moment_of_going_on_ends_it(qtbot, tour, viewer):
    tour.start_once()
    workspace_of(viewer).he = he_image()
    tour.end()
    qtbot.wait(30)
    assert not tour.running


def test_the_bubble_stands_beside_the_dock_and_inside_the_window(tour):
    tour.start_once()
    bubble = tour.bubble.geometry()
    assert 0 <= bubble.left() < bubble.right() < 600
    assert 0 <= bubble.top() < bubble.bottom() < 700
