"""A sentence over a table that is still empty: what to do to fill it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QLabel

if TYPE_CHECKING:
    from qtpy.QtWidgets import QAbstractItemView

_MARGIN = 12


class EmptyNote(QLabel):
    """Lies over the rows of a table while there are none, and lets clicks through.

    Parameters
    ----------
    table : QAbstractItemView
        The table.
    text : str
        What to do, in one sentence.
    """

    def __init__(self, table: QAbstractItemView, text: str) -> None:
        viewport = table.viewport()
        super().__init__(text, viewport)
        self.setProperty("haiku", "secondary")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setWordWrap(True)
        self.setContentsMargins(_MARGIN, 0, _MARGIN, 0)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        if viewport is not None:
            viewport.installEventFilter(self)
            self.resize(viewport.size())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Stay as large as the room for rows."""
        viewport = self.parentWidget()
        if viewport is not None and event is not None and event.type() == QEvent.Type.Resize:
            self.resize(viewport.size())
        return super().eventFilter(watched, event)
