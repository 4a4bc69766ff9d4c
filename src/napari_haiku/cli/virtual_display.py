"""A screen of our own: Xvfb, started and ended here."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCREEN = "1600x1000x24"
SECONDS_TO_START = 30.0
HOW_TO_GET = (
    "install it (Debian, Ubuntu: sudo apt-get install -y xvfb xauth) or use a computer with a "
    "display"
)

# Without these a window system of the user's choice would win over our screen.
_HIDDEN = ("WAYLAND_DISPLAY", "XAUTHORITY", "QT_QPA_PLATFORM")


def has_display(environment: Mapping[str, str] | None = None) -> bool:
    """Tell whether windows can be opened here, as far as the environment says."""
    if sys.platform in ("win32", "darwin"):
        return True
    known = os.environ if environment is None else environment
    if known.get("QT_QPA_PLATFORM", "").partition(":")[0] in ("offscreen", "minimal", "vnc"):
        return False
    return bool(known.get("DISPLAY") or known.get("WAYLAND_DISPLAY"))


def find_xvfb() -> str | None:
    """Path of the Xvfb program, or None where there is none."""
    return None if sys.platform in ("win32", "darwin") else shutil.which("Xvfb")


@contextmanager
def virtual_display(screen: str = SCREEN) -> Iterator[dict[str, str]]:
    """Start Xvfb, give the environment in which windows open on it, end it.

    Raises
    ------
    HaikuError
        There is no Xvfb, or it does not start.
    """
    program = find_xvfb()
    if program is None:
        raise HaikuError(f"There is no Xvfb to draw on: {HOW_TO_GET}.")
    reading, writing = os.pipe()
    try:
        server = subprocess.Popen(
            [program, "-displayfd", str(writing), "-screen", "0", screen, "-nolisten", "tcp"],
            pass_fds=(writing,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        os.close(reading)
        raise HaikuError(f"Xvfb cannot be started ({error.strerror}): {HOW_TO_GET}.") from error
    finally:
        os.close(writing)
    try:
        number = _display_number(reading)
        if not number:
            raise HaikuError("Xvfb did not start: run it by hand to see what it says.")
        environment = {k: v for k, v in os.environ.items() if k not in _HIDDEN}
        yield environment | {"DISPLAY": f":{number}"}
    finally:
        os.close(reading)
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _display_number(reading: int) -> str:
    """Read the number that Xvfb writes once it is ready; "" when it ends or takes too long."""
    text = b""
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([reading], [], [], SECONDS_TO_START)
        part = os.read(reading, 64) if ready else b""
        if not part:
            return ""
        text += part
    return text.decode("ascii").strip()
