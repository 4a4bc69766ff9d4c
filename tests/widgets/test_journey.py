from __future__ import annotations

import threading

import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Progress
from napari_haiku.widgets.frame.dock import HaikuDock
from napari_haiku.widgets.journey import wait_for_answer


class Plain(HaikuDock):
    title = "Encode"
    needs = ()


@pytest.fixture
def dock(open_dock):
    return open_dock(Plain)


def test_an_answer_is_waited_for(dock):
    answers = []
    dock.run(lambda: 1, answers.append, "Opening", lane="slide")
    wait_for_answer(dock, lambda: bool(answers), "slide")
    assert answers == [1]


def test_an_opening_that_was_stopped_is_not_waited_for(dock):
    entered = threading.Event()

    def endless():
        while True:
            entered.set()
            yield Progress(0, 1, "Opening")

    dock.run(endless(), lambda _never: None, "Opening", lane="slide")
    assert entered.wait(10)
    dock.cancel("slide")
    with pytest.raises(HaikuError, match="Stopped"):
        wait_for_answer(dock, lambda: False, "slide")


def test_an_answer_that_cannot_be_shown_fails_in_the_strip(dock):
    def refuse(_answer):
        raise HaikuError("No room for the slide.")

    dock.run(lambda: 1, refuse, "Opening", lane="slide")
    with pytest.raises(HaikuError, match="No room for the slide"):
        wait_for_answer(dock, lambda: False, "slide")
    assert dock.strip.state == "failed"
