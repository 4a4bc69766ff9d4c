"""Trying a window in a process that may die of it."""

from __future__ import annotations

import sys

import pytest

from napari_haiku.cli.virtual_display import find_xvfb, virtual_display
from napari_haiku.cli.window_check import check_window, explain


@pytest.mark.skipif(sys.platform != "linux" or find_xvfb() is None, reason="There is no Xvfb here.")
def test_a_window_opens_on_our_own_screen():
    with virtual_display() as environment:
        seen = check_window(environment)
    assert seen.works, seen.sentence
    assert seen.found["platform"] == "xcb"
    assert seen.found["largest_texture"] >= 2048
    assert "OpenGL" in seen.sentence


@pytest.mark.skipif(sys.platform != "linux", reason="X displays are Linux's.")
def test_a_display_that_does_not_answer_is_told_and_does_not_end_this_process(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":9876")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    seen = check_window()
    assert not seen.works
    assert "does not answer" in seen.sentence


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        ("qtpy.QtBindingsNotFoundError: No Qt bindings could be found", "napari-haiku[qt]"),
        ("ImportError: libEGL.so.1: cannot open shared object file", "apt-get install"),
        ('qt.qpa.plugin: Could not load the Qt platform plugin "xcb"', "libxcb-cursor0"),
        ("first\nlast words\n", "last words"),
        ("", "no reason given"),
    ],
)
def test_explain(stderr, expected):
    assert expected in explain(stderr)
