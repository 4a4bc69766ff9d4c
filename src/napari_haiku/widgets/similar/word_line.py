"""A line of words that underlines those the model never read and names them below."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPoint, Signal
from qtpy.QtGui import QColor, QPainter, QPen, QPolygon
from qtpy.QtWidgets import QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_haiku.model.searched_words import searched_words
from napari_haiku.widgets.frame.appearance import CAUTION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

EXAMPLE = "e.g. stage IV colon cancer"
_WORD = re.compile(r"[\w'-]+")


class WordLine(QWidget):
    """Words to look for; :attr:`entered` is emitted when Enter is pressed.

    Unknown words are underlined while they are typed, once it is known how to
    tell them (:meth:`tell_unknown_by`).
    """

    entered = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._unknown_words: Callable[[str], Collection[str]] | None = None
        self.unknown: tuple[str, ...] = ()
        self.line = UnderlinedLine()
        self.line.setPlaceholderText(EXAMPLE)
        self.line.setAccessibleName("Words to look for")
        self.line.setToolTip(
            "Words of the clinical records, such as organs, diseases, stages, grades and "
            "treatments; Enter starts."
        )
        self.remark = QLabel()
        self.remark.setProperty("haiku", "caution")
        self.remark.setWordWrap(True)
        self.remark.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addWidget(self.line)
        column.addWidget(self.remark)
        self.line.textChanged.connect(lambda _text: self.look())
        self.line.returnPressed.connect(self.entered)

    @property
    def text(self) -> str:
        """The words, without blanks around them."""
        return self.line.text().strip()

    def tell_unknown_by(self, unknown_words: Callable[[str], Collection[str]] | None) -> None:
        """Say how to tell the words that the model never read."""
        self._unknown_words = unknown_words
        self.look()

    def look(self) -> None:
        """Underline and name the unknown words."""
        text = self.line.text()
        ask = self._unknown_words
        self.unknown = () if ask is None or not text.strip() else tuple(ask(text))
        strange = {word.casefold() for word in self.unknown}
        spans = [
            (found.start(), found.end())
            for found in _WORD.finditer(text)
            if found.group().casefold() in strange
        ]
        self.line.underline(spans)
        if not self.unknown:
            self.remark.hide()
            return
        named = ", ".join(f'"{word}"' for word in self.unknown)
        if not searched_words(text, self.unknown):
            end = "there is nothing to search for."
        else:
            end = "underlined words are ignored."
        self.remark.setText(f"The model has never read {named}: {end}")
        self.remark.show()


class UnderlinedLine(QLineEdit):
    """A line edit with a wave under some of its words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spans: list[tuple[int, int]] = []

    def underline(self, spans: list[tuple[int, int]]) -> None:
        """Underline the characters of these spans (first, one behind the last)."""
        self.spans = spans
        self.update()

    def paintEvent(self, event: Any) -> None:
        """Paint the text, then the waves."""
        super().paintEvent(event)
        if not self.spans:
            return
        metrics, text, cursor = self.fontMetrics(), self.text(), self.cursorRect()
        # Where the text starts, however far it is scrolled.
        start = cursor.center().x() - metrics.horizontalAdvance(text[: self.cursorPosition()])
        y = cursor.center().y() + metrics.height() // 2
        painter = QPainter(self)
        painter.setPen(QPen(QColor(CAUTION), 1.5))
        for first, last in self.spans:
            x = start + metrics.horizontalAdvance(text[:first])
            end = start + metrics.horizontalAdvance(text[:last])
            steps = range(x, end + 1, 2)
            wave = [QPoint(at, y - 1 + (number % 2) * 2) for number, at in enumerate(steps)]
            painter.drawPolyline(QPolygon(wave))
        painter.end()
