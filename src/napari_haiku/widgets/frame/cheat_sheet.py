"""All keys on one sheet, over the window until it is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_haiku.widgets.frame.appearance import dock_stylesheet
from napari_haiku.widgets.frame.keys import IN_A_DOCK, KEYS

if TYPE_CHECKING:
    import napari


class CheatSheet(QDialog):
    """Lists what each key does; it does not stop the work.

    Parameters
    ----------
    theme : str
        napari theme.
    """

    def __init__(self, theme: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Haiku keys")
        self.setObjectName("haiku-cheat-sheet")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setStyleSheet(dock_stylesheet(theme))
        grid = QGridLayout()
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(5)
        lines = [(spelled(key.keys), key.words) for key in KEYS] + list(IN_A_DOCK)
        half = (len(lines) + 1) // 2
        for place, (keys, words) in enumerate(lines):
            line, column = place % half, 2 * (place // half)
            name = QLabel(keys)
            name.setProperty("haiku", "heading")
            grid.addWidget(name, line, column)
            grid.addWidget(QLabel(words), line, column + 1)
        close = QPushButton("Close")
        close.setProperty("haiku", "primary")
        close.setToolTip("Close this sheet. (Esc)")
        close.clicked.connect(lambda _checked=False: self.close())
        note = QLabel("Ctrl+Z undoes painting and drawing, as everywhere in napari.")
        note.setProperty("haiku", "secondary")
        column_box = QVBoxLayout(self)
        column_box.addLayout(grid)
        column_box.addWidget(note)
        column_box.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)


def show_cheat_sheet(viewer: napari.Viewer) -> CheatSheet | None:
    """Show the sheet over a viewer's window, or close the one that is there."""
    window = getattr(viewer, "window", None)
    parent = None if window is None else window._qt_window  # noqa: SLF001 - a dialog needs a parent
    if parent is not None:
        old = parent.findChild(CheatSheet)
        if old is not None:
            old.close()
            return None
    sheet = CheatSheet(str(viewer.theme), parent)
    sheet.show()
    return sheet


def spelled(keys: str) -> str:
    """Write keys as people do: ``Shift-N`` -> ``Shift+N``."""
    return keys.replace("-", "+") if len(keys) > 1 else keys
