"""Which screen the journey is shown on, and what comes back from the window's process."""

from __future__ import annotations

import json
import os
import sys

import pytest

from napari_haiku.cli import demo_screen
from napari_haiku.cli.demo_screen import Screen, choose_screen, walked
from napari_haiku.cli.window_check import WindowCheck
from napari_haiku.errors import HaikuError

WORKS = WindowCheck(True, "PyQt6 on xcb", {})
BROKEN = WindowCheck(False, "Qt misses system libraries.", {})


@pytest.fixture
def surroundings(monkeypatch):
    def arrange(*, display=False, xvfb=True, window=WORKS):
        monkeypatch.setattr(demo_screen, "has_display", lambda: display)
        monkeypatch.setattr(demo_screen, "find_xvfb", lambda: "/usr/bin/Xvfb" if xvfb else None)
        monkeypatch.setattr(demo_screen, "check_window", lambda environment=None: window)
        monkeypatch.setattr(demo_screen, "virtual_display", _NoScreen)

    return arrange


class _NoScreen:
    def __enter__(self):
        return dict(os.environ)

    def __exit__(self, *_):
        return None


def test_the_users_display_comes_first(surroundings):
    surroundings(display=True)
    assert choose_screen(no_window=False) == Screen("display")


def test_no_window_draws_on_our_own(surroundings):
    surroundings(display=True)
    assert choose_screen(no_window=True) == Screen("virtual")


def test_without_a_display_our_own_is_used_and_it_is_said(surroundings):
    surroundings()
    assert choose_screen(no_window=False) == Screen("virtual", "There is no display.")


def test_without_xvfb_there_are_no_pictures_and_how_to_get_them_is_said(surroundings):
    surroundings(xvfb=False)
    screen = choose_screen(no_window=False)
    assert screen.kind == "none"
    assert "apt-get install -y xvfb" in screen.why


def test_a_qt_that_cannot_draw_leaves_the_figures(surroundings):
    surroundings(window=BROKEN)
    screen = choose_screen(no_window=True)
    assert screen.kind == "none"
    assert BROKEN.sentence in screen.why


@pytest.fixture
def window_says(monkeypatch, tmp_path):
    """Stand in for the window's process."""

    def prepare(script):
        program = tmp_path / "window.py"
        program.write_text(script, encoding="utf-8")
        starter = tmp_path / "python"
        starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" "$@"\n')
        starter.chmod(0o755)
        monkeypatch.setattr(demo_screen.sys, "executable", str(starter))
        monkeypatch.setattr(demo_screen, "virtual_display", _NoScreen)
        return tmp_path / "plan.json", tmp_path

    return prepare


unix = pytest.mark.skipif(sys.platform == "win32", reason="The stand-in is a shell script.")


@unix
def test_names_of_the_pictures_come_back(window_says):
    plan, folder = window_says('print("noise\\npicture=1.png\\npicture=2.png\\ntaken")')
    with walked(plan, folder, Screen("virtual")) as pictures:
        assert pictures == ["1.png", "2.png"]


@unix
def test_the_window_gets_plan_and_folder_and_stays_only_on_the_users_display(window_says):
    script = 'import sys, json; print("picture=" + json.dumps(sys.argv[1:]) + "\\ntaken")'
    plan, folder = window_says(script)
    module = ["-m", "napari_haiku.cli.demo_window", str(plan), str(folder)]
    with walked(plan, folder, Screen("display")) as pictures:
        assert json.loads(pictures[0]) == [*module, "--stay"]
    with walked(plan, folder, Screen("virtual")) as pictures:
        assert json.loads(pictures[0]) == module


@unix
@pytest.mark.parametrize(
    "script",
    ['import sys; sys.exit("The slide cannot be opened.")', 'print("picture=1.png")', ""],
)
def test_a_window_that_fails_is_one_sentence(window_says, script):
    plan, folder = window_says(script)
    with (
        pytest.raises(HaikuError, match="figures are kept"),
        walked(plan, folder, Screen("virtual")),
    ):
        pass


@unix
def test_the_reason_is_the_last_thing_that_the_window_said(window_says):
    plan, folder = window_says('import sys; sys.exit("The slide cannot be opened.")')
    with (
        pytest.raises(HaikuError, match="The slide cannot be opened"),
        walked(plan, folder, Screen("virtual")),
    ):
        pass
    assert "The slide cannot be opened" in (folder / "window.log").read_text()


@unix
def test_a_window_that_hangs_is_ended(window_says, monkeypatch):
    monkeypatch.setattr(demo_screen, "SECONDS", 0.5)
    plan, folder = window_says("import time; time.sleep(600)")
    with pytest.raises(HaikuError), walked(plan, folder, Screen("virtual")):
        pass


def test_no_screen_no_pictures(tmp_path):
    with walked(tmp_path / "plan.json", tmp_path, Screen("none")) as pictures:
        assert pictures == []
