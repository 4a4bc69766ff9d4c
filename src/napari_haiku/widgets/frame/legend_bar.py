"""A colour bar with its unit and both ends, painted in a dock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter, QPalette
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from napari_haiku.viewer.layers.legend import Legend

_BAR_HEIGHT = 10
_GAP = 3


class LegendBar(QWidget):
    """Title, colours, both ends; empty until told what to show."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.legend: Legend | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setVisible(False)

    def show_legend(self, legend: Legend | None) -> None:
        """Show a legend, or nothing."""
        self.legend = legend
        self.setVisible(legend is not None)
        if legend is not None:
            # Read out by screen readers in place of the picture.
            self.setAccessibleName(f"{legend.title}: {legend.low} to {legend.high}")
            self.setToolTip("The values at both ends of the colour bar.")
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Two lines of text with the bar between."""
        line = self.fontMetrics().height()
        return QSize(240, 2 * line + _BAR_HEIGHT + 2 * _GAP)

    def minimumSizeHint(self) -> QSize:
        """As high as the hint, narrower."""
        return QSize(120, self.sizeHint().height())

    def paintEvent(self, event: Any) -> None:
        """Paint title, bar and ends."""
        if self.legend is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = float(self.fontMetrics().height())
        width = float(self.width())
        text = self.palette().color(QPalette.ColorRole.WindowText)
        painter.setPen(text)
        title = self.fontMetrics().elidedText(
            self.legend.title, Qt.TextElideMode.ElideRight, self.width()
        )
        painter.drawText(QRectF(0, 0, width, line), Qt.AlignmentFlag.AlignLeft, title)
        bar = QRectF(0, line + _GAP, width, _BAR_HEIGHT)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for position, colour in self.legend.stops:
            gradient.setColorAt(position, QColor.fromRgbF(*colour))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(gradient)
        painter.drawRoundedRect(bar, 2, 2)
        painter.setPen(text)
        ends = QRectF(0, bar.bottom() + _GAP, width, line)
        painter.drawText(ends, Qt.AlignmentFlag.AlignLeft, self.legend.low)
        painter.drawText(ends, Qt.AlignmentFlag.AlignHCenter, self.legend.middle)
        painter.drawText(ends, Qt.AlignmentFlag.AlignRight, self.legend.high)
        painter.end()
