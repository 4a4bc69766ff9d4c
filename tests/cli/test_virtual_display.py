"""A screen of our own."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from napari_haiku.cli import virtual_display as screens
from napari_haiku.errors import HaikuError

linux = pytest.mark.skipif(
    sys.platform != "linux" or screens.find_xvfb() is None, reason="There is no Xvfb here."
)


@linux
def test_xvfb_answers_inside_and_is_gone_afterwards():
    with screens.virtual_display() as environment:
        number = environment["DISPLAY"].removeprefix(":")
        path = f"/tmp/.X11-unix/X{number}"  # noqa: S108  where X servers listen
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
    assert not Path(path).exists()


@linux
def test_two_screens_have_two_numbers():
    with screens.virtual_display() as one, screens.virtual_display() as two:
        assert one["DISPLAY"] != two["DISPLAY"]


@linux
def test_what_would_win_over_our_screen_is_hidden(monkeypatch):
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    with screens.virtual_display() as environment:
        assert "WAYLAND_DISPLAY" not in environment
        assert "QT_QPA_PLATFORM" not in environment
    assert os.environ["WAYLAND_DISPLAY"] == "wayland-0"


def test_no_xvfb_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(screens, "find_xvfb", lambda: None)
    with pytest.raises(HaikuError, match="apt-get install"), screens.virtual_display():
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="A shell script.")
def test_an_xvfb_that_ends_at_once_is_told(monkeypatch, tmp_path):
    broken = tmp_path / "Xvfb"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(screens, "find_xvfb", lambda: str(broken))
    with pytest.raises(HaikuError, match="did not start"), screens.virtual_display():
        pass


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="Displays are named on Unix only.")
@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"DISPLAY": ":0", "QT_QPA_PLATFORM": "offscreen"}, False),
        ({"DISPLAY": ""}, False),
    ],
)
def test_has_display(environment, expected):
    assert screens.has_display(environment) is expected
