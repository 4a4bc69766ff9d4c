"""Where a report goes, and the way to it once it is written."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog

if TYPE_CHECKING:
    from pathlib import Path

    from napari_haiku.encoding.store import Encoding
    from napari_haiku.widgets.frame.dock import HaikuDock

PAGE = "report.html"


def choose_report_folder(dock: HaikuDock, encoding: Encoding | None) -> str:
    """Ask for a folder, beginning beside the slide's encoding; "" when it is called off."""
    start = "" if encoding is None else str(encoding.path.parent)
    return str(QFileDialog.getExistingDirectory(dock, "Folder for the report", start) or "")


def say_report_written(dock: HaikuDock, folder: Path) -> None:
    """Say where the report lies and offer to open it."""
    dock.strip.say(
        "done",
        f"Report and tables written to {folder}.",
        actions=[
            ("Open report", partial(_open, folder / PAGE)),
            ("Show folder", partial(_open, folder)),
        ],
    )


def _open(path: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
