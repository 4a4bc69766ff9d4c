"""Markers by effect: a dot, its interval, and the range that irrelevant text reaches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_haiku.viewer.counterfactual.placebo_words import IRRELEVANT_TEXT
from napari_haiku.viewer.counterfactual.shift_rows import axis_limit, decimals_for
from napari_haiku.viewer.layers.legend import shift_text

if TYPE_CHECKING:
    from napari_haiku.viewer.counterfactual.shift_rows import ShiftRow

MORE = QColor("#F0A04B")
LESS = QColor("#4F9BD9")
_FAINT = 0.42
_ROW = 17
_NAME_WIDTH = 78
_VALUE_WIDTH = 52
_BAND = QColor(140, 142, 152, 80)
_CHOSEN = QColor(90, 110, 200, 110)


class ShiftChart(QWidget):
    """One row per marker; a click chooses its map."""

    marker_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[ShiftRow] = []
        self.chosen: str | None = None
        self.placebo = IRRELEVANT_TEXT
        self.setToolTip(
            "Faint rows lie inside what text without meaning does. Click a row to map it."
        )
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_rows(self, rows: list[ShiftRow]) -> None:
        """Show the markers of one niche, in the order given."""
        self.rows = rows
        spoken = [
            f"{row.marker} {shift_text(row.shift)}" if row.estimable else row.marker for row in rows
        ]
        self.setAccessibleName("Shift by marker: " + ", ".join(spoken))
        self.updateGeometry()
        self.update()

    def choose(self, marker: str | None) -> None:
        """Mark a row without emitting ``marker_chosen``."""
        self.chosen = marker
        self.update()

    def row_centre(self, marker: str) -> QPointF:
        """Where the row of a marker lies, in this widget."""
        index = next(i for i, row in enumerate(self.rows) if row.marker == marker)
        return QPointF(self.width() / 2, (index + 0.5) * _ROW)

    def sizeHint(self) -> QSize:
        """One line per marker and one for the axis."""
        return QSize(300, _ROW * (len(self.rows) + 1) + 4 if self.rows else 0)

    def minimumSizeHint(self) -> QSize:
        """As high as the hint, narrower."""
        return QSize(200, self.sizeHint().height())

    def mousePressEvent(self, event: Any) -> None:
        """Choose the marker of the row that was clicked."""
        row = self._row_at(event.position().y())
        if row is not None and row.estimable:
            self.choose(row.marker)
            self.marker_chosen.emit(row.marker)

    def mouseMoveEvent(self, event: Any) -> None:
        """Say the row's numbers at the pointer."""
        row = self._row_at(event.position().y())
        if row is None:
            QToolTip.hideText()
            return
        QToolTip.showText(event.globalPosition().toPoint(), row_hint(row, self.placebo), self)

    def paintEvent(self, event: Any) -> None:
        """Paint rows and axis."""
        if not self.rows:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        limit = axis_limit(self.rows)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        bottom = float(_ROW * len(self.rows))
        for index, row in enumerate(self.rows):
            self._paint_row(painter, row, index * _ROW, limit, text)
        painter.setOpacity(0.8)
        painter.setPen(QPen(text, 1))
        zero = self._x(0, limit)
        painter.drawLine(QPointF(zero, 0), QPointF(zero, bottom))
        for value in (-limit, 0.0, limit):
            label = "0" if value == 0 else f"{value:+g}".replace("-", "\N{MINUS SIGN}")
            painter.drawText(
                QRectF(self._x(value, limit) - 30, bottom, 60, _ROW),
                Qt.AlignmentFlag.AlignCenter,
                label,
            )
        painter.end()

    def _paint_row(
        self, painter: QPainter, row: ShiftRow, top: float, limit: float, text: QColor
    ) -> None:
        middle = top + _ROW / 2
        if row.marker == self.chosen:
            painter.fillRect(QRectF(0, top, self.width(), _ROW), _CHOSEN)
        painter.setOpacity(_FAINT if row.faint or not row.estimable else 1.0)
        painter.setPen(text)
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        name = self.fontMetrics().elidedText(
            row.marker, Qt.TextElideMode.ElideRight, _NAME_WIDTH - 6
        )
        painter.drawText(QRectF(4, top, _NAME_WIDTH - 4, _ROW), left, name)
        if not row.estimable:
            rest = QRectF(_NAME_WIDTH, top, self.width() - _NAME_WIDTH - 4, _ROW)
            painter.drawText(rest, right, "not estimable")
            painter.setOpacity(1.0)
            return
        painter.drawText(
            QRectF(self.width() - _VALUE_WIDTH, top, _VALUE_WIDTH - 4, _ROW),
            right,
            shift_text(row.shift, decimals_for(limit)),
        )
        if math.isfinite(row.placebo):
            x0, x1 = self._x(-row.placebo, limit), self._x(row.placebo, limit)
            painter.fillRect(QRectF(x0, top + 3, x1 - x0, _ROW - 6), _BAND)
        colour = MORE if row.shift >= 0 else LESS
        painter.setPen(QPen(colour, 1.6))
        if math.isfinite(row.low) and math.isfinite(row.high):
            painter.drawLine(
                QPointF(self._x(row.low, limit), middle), QPointF(self._x(row.high, limit), middle)
            )
        # Hollow: nothing but the text says so.
        painter.setBrush(colour if row.supported else self.palette().color(self.backgroundRole()))
        painter.drawEllipse(QPointF(self._x(row.shift, limit), middle), 3.6, 3.6)
        painter.setOpacity(1.0)

    def _x(self, value: float, limit: float) -> float:
        left = float(_NAME_WIDTH)
        right = float(self.width() - _VALUE_WIDTH)
        return left + (value / limit + 1) / 2 * (right - left)

    def _row_at(self, y: float) -> ShiftRow | None:
        index = int(y // _ROW)
        return self.rows[index] if 0 <= index < len(self.rows) else None


def row_hint(row: ShiftRow, placebo: str = IRRELEVANT_TEXT) -> str:
    """Say a row's numbers in a line."""
    if not row.estimable:
        return f"{row.marker}: not estimable"
    parts = [f"{row.marker}: {shift_text(row.shift)} SD of the atlas"]
    if math.isfinite(row.low) and math.isfinite(row.high):
        low, high = (shift_text(value) for value in (row.low, row.high))
        parts.append(f"95 % interval {low} to {high}")
    if row.faint:
        parts.append(f"{placebo} moves it as much")
    if row.supported:
        parts.append("supported by the atlas contrast")
    return ", ".join(parts)
