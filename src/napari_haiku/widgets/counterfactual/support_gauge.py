"""Four steps that say how much the atlas can speak to an edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPalette
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from napari_haiku.analysis.counterfactual.support import Support

WORDS = ("none", "thin", "limited", "good")
_STEPS = 4
_FILLED = {"none": 0, "thin": 1, "limited": 2, "good": _STEPS}
_COLOURS = ("#D55E00", "#E69F00", "#F0E442", "#009E73")
_EMPTY = QColor(128, 128, 140, 90)


class SupportGauge(QWidget):
    """Steps filled from the left, with the word for them at the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.support: Support | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_support(self, support: Support | None) -> None:
        """Show how far an edit is supported, or nothing."""
        self.support = support
        if support is None:
            self.setAccessibleName("Support: not known yet")
            self.setToolTip("")
        else:
            self.setAccessibleName(f"Support: {support.word}")
            self.setToolTip(
                "None: no patient. Thin: fewer than 5. Limited: 5 to 9, or neighbours that "
                "rarely agree. Good: 10 or more and at least 30 % of the neighbours agree."
            )
        self.update()

    @property
    def step(self) -> int:
        """Steps filled, 0 to 4."""
        return 0 if self.support is None else _FILLED[self.support.word]

    def sizeHint(self) -> QSize:
        """One line."""
        return QSize(220, self.fontMetrics().height() + 4)

    def paintEvent(self, event: Any) -> None:
        """Paint the steps and the word."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        widest = max(self.fontMetrics().horizontalAdvance(word) for word in WORDS)
        steps_width = float(self.width() - widest - 16)
        width = (steps_width - 2.0 * (_STEPS - 1)) / _STEPS
        colour = _COLOURS[0 if self.support is None else WORDS.index(self.support.word)]
        painter.setPen(Qt.PenStyle.NoPen)
        for step in range(_STEPS):
            painter.setBrush(QColor(colour) if step < self.step else _EMPTY)
            top = self.height() / 2 - 4
            painter.drawRoundedRect(QRectF(step * (width + 2.0), top, width, 8.0), 1.5, 1.5)
        if self.support is not None:
            font = painter.font()
            font.setBold(True)
            painter.setFont(font)
            painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
            painter.drawText(
                QRectF(self.rect()),
                Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter,
                self.support.word,
            )
        painter.end()
