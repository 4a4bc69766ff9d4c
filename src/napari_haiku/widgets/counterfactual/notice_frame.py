"""The amber sentence at the top that nobody can close."""

from __future__ import annotations

from qtpy.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget


class NoticeFrame(QFrame):
    """A standing caution.

    Parameters
    ----------
    text : str
        What it says.
    """

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("haiku", "strip")
        self.setProperty("state", "caution")
        self.label = QLabel(text)
        self.label.setWordWrap(True)
        row = QVBoxLayout(self)
        row.setContentsMargins(8, 5, 8, 5)
        row.addWidget(self.label)
