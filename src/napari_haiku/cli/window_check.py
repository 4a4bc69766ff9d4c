"""Whether a window can be opened here, found out in a process that may die of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 120.0
LIBRARIES = (
    "libegl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon-x11-0 libxcb-cursor0 "
    "libxcb-icccm4 libxcb-keysyms1 libxcb-shape0"
)


@dataclass(frozen=True)
class WindowCheck:
    """What trying a window gave.

    Parameters
    ----------
    works : bool
        A Qt window with OpenGL could be opened.
    sentence : str
        What was found, or why it failed and what to do.
    found : mapping
        Binding, versions, platform, OpenGL; empty when it failed.
    """

    works: bool
    sentence: str
    found: Mapping[str, Any]


def check_window(environment: Mapping[str, str] | None = None) -> WindowCheck:
    """Try a Qt window with OpenGL in a process of its own.

    Parameters
    ----------
    environment : mapping, optional
        Environment of that process, such as one that names our own Xvfb.
    """
    try:
        tried = subprocess.run(
            [sys.executable, "-m", "napari_haiku.widgets.window_probe"],
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return WindowCheck(
            False, "Opening a window takes too long: check the display's connection.", {}
        )
    if tried.returncode == 0:
        found = json.loads(tried.stdout.splitlines()[-1])
        sentence = (
            f"{found['binding']} {found['binding_version']} on {found['platform']}, "
            f"OpenGL {found['opengl']} ({found['renderer']})"
        )
        return WindowCheck(True, sentence, found)
    return WindowCheck(False, explain(tried.stderr), {})


def explain(stderr: str) -> str:
    """Turn what a failed window printed into one sentence."""
    if "QtBindingsNotFoundError" in stderr or "No Qt bindings could be found" in stderr:
        return "There is no Qt: install it with pip install 'napari-haiku[qt]'."
    if "could not connect to display" in stderr:
        return "The display named in DISPLAY does not answer: log in with a display or unset it."
    if "Could not load the Qt platform plugin" in stderr or "cannot open shared object" in stderr:
        return (
            "Qt misses system libraries: on Debian or Ubuntu run "
            f"sudo apt-get install -y --no-install-recommends {LIBRARIES}"
        )
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return f"A window cannot be opened ({lines[-1] if lines else 'no reason given'})."
