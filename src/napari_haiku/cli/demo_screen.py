"""Which screen the demo's window opens on, and the process that opens it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_haiku.cli.demo_window import PICTURE, STAY, TAKEN
from napari_haiku.cli.virtual_display import HOW_TO_GET, find_xvfb, has_display, virtual_display
from napari_haiku.cli.window_check import check_window
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SECONDS = 600.0
LOG = "window.log"


@dataclass(frozen=True)
class Screen:
    """Where the journey is shown.

    Parameters
    ----------
    kind : {"display", "virtual", "none"}
        The user's screen, our own Xvfb, or no screen at all.
    why : str
        Why it is not the user's screen, or why there is none; "" when asked for.
    """

    kind: Literal["display", "virtual", "none"]
    why: str = ""


def choose_screen(*, no_window: bool) -> Screen:
    """Choose the user's screen where there is one and it is wanted, else our own."""
    why = ""
    if not no_window:
        seen = check_window() if has_display() else None
        if seen is not None and seen.works:
            return Screen("display")
        why = "There is no display." if seen is None else seen.sentence
    if find_xvfb() is None:
        return Screen("none", f"No pictures of the window: there is no Xvfb; {HOW_TO_GET}.")
    with virtual_display() as environment:
        seen = check_window(environment)
    if not seen.works:
        return Screen("none", f"No pictures of the window: {seen.sentence}")
    return Screen("virtual", why)


@contextmanager
def walked(plan_file: Path, folder: Path, screen: Screen) -> Iterator[list[str]]:
    """Walk the journey in a process of its own; give the names of the pictures it took.

    On the user's screen the window is open inside the ``with``, whose end waits
    until the user closes it.

    Raises
    ------
    HaikuError
        The window process failed or took too long.
    """
    if screen.kind == "none":
        yield []
    elif screen.kind == "display":
        with _process(plan_file, folder, os.environ, stay=True) as pictures:
            yield pictures
    else:
        with (
            virtual_display() as environment,
            _process(plan_file, folder, environment, stay=False) as pictures,
        ):
            yield pictures


@contextmanager
def _process(
    plan_file: Path, folder: Path, environment: Mapping[str, str], *, stay: bool
) -> Iterator[list[str]]:
    command = [sys.executable, "-m", "napari_haiku.cli.demo_window", str(plan_file), str(folder)]
    with ExitStack() as stack:
        messages = stack.enter_context(
            (folder / LOG).open("w+", encoding="utf-8", errors="replace")
        )
        process = stack.enter_context(
            subprocess.Popen(
                [*command, *([STAY] if stay else [])],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
                encoding="utf-8",
            )
        )
        # A window that hangs must not hang the demo; the user's own may stay as long as they like.
        alarm = threading.Timer(SECONDS, process.kill)
        alarm.start()
        try:
            pictures = _pictures(process.stdout or ())
            alarm.cancel()
            if pictures is None:
                process.wait()
                messages.seek(0)
                raise HaikuError(_failure(messages.read()))
            yield pictures
            process.wait()
        finally:
            alarm.cancel()
            if process.poll() is None:
                process.terminate()


def _failure(messages: str) -> str:
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    last = lines[-1].rstrip(".") if lines else "it gave no reason"
    return f"The window could not show the journey ({last}): see {LOG}; the figures are kept."


def _pictures(said: Iterable[str]) -> list[str] | None:
    """Read the names of the pictures; None when the process ends before it has taken them."""
    names = []
    for line in said:
        word, _, name = line.rstrip("\n").partition("=")
        if word == PICTURE:
            names.append(name)
        elif word == TAKEN:
            return names
    return None
