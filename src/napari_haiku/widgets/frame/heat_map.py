"""Niches by markers as coloured cells that can be clicked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_haiku.viewer.layers.colormaps import niche_colour, shift_colour
from napari_haiku.viewer.layers.heat_cells import HeatTable
from napari_haiku.viewer.layers.legend import shift_text

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

_ROW = 18
_LEAST_NAME_WIDTH, _MOST_NAME_WIDTH = 92, 128
_HEAD = 54
_SLANT_FROM = 15.0
_FOOT = 18
_MOST_CELL_WIDTH = 24.0
# The last slanted name needs room beyond its column, an upright one hardly any.
_BEYOND, _BEYOND_UPRIGHT = 24.0, 4.0
_FAINT = 0.34
_EMPTY = QColor(128, 128, 140, 38)


class HeatMap(QWidget):
    """Cells coloured about zero: blue less, orange more.

    Signals
    -------
    cell_chosen : (niche, marker)
    """

    cell_chosen = Signal(object, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = HeatTable((), (), ())
        self.names: dict[Hashable, str] = {}
        self.unit = ""
        self.chosen: tuple[Hashable, str] | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_table(self, table: HeatTable, names: Mapping[Any, str], unit: str) -> None:
        """Show cells.

        Parameters
        ----------
        table : HeatTable
            The cells.
        names : Mapping
            Niche -> name shown at its row.
        unit : str
            Unit of the values.
        """
        self.table = table
        self.names = dict(names)
        self.unit = unit
        self.setAccessibleName(f"{len(table.niches)} niches by {len(table.markers)} markers")
        self.updateGeometry()
        self.update()

    def choose(self, niche: Hashable, marker: str) -> None:
        """Mark a cell without emitting ``cell_chosen``."""
        self.chosen = (niche, marker)
        self.update()

    def cell_centre(self, niche: Hashable, marker: str) -> QPointF:
        """Where a cell lies, in this widget."""
        cell = self._cell_rect(self.table.niches.index(niche), self.table.markers.index(marker))
        return cell.center()

    def sizeHint(self) -> QSize:
        """Slanted names above, one line per niche, the scale below."""
        rows = len(self.table.niches)
        return QSize(300, _HEAD + rows * _ROW + _FOOT + 4 if rows else 0)

    def minimumSizeHint(self) -> QSize:
        """As high as the hint, narrower."""
        return QSize(200, self.sizeHint().height())

    def mousePressEvent(self, event: Any) -> None:
        """Choose the cell that was clicked."""
        found = self._cell_at(event.position())
        if found is not None:
            row, column = found
            niche, marker = self.table.niches[row], self.table.markers[column]
            self.choose(niche, marker)
            self.cell_chosen.emit(niche, marker)

    def mouseMoveEvent(self, event: Any) -> None:
        """Say the cell's numbers at the pointer."""
        found = self._cell_at(event.position())
        if found is None:
            QToolTip.hideText()
            return
        row, column = found
        name = self.names.get(self.table.niches[row], "")
        hint = self.table.cells[row][column].hint
        QToolTip.showText(event.globalPosition().toPoint(), f"{name}\n{hint}".strip(), self)

    def paintEvent(self, event: Any) -> None:
        """Paint names, cells and scale."""
        if not self.table.niches:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        painter.setPen(text)
        for column, marker in enumerate(self.table.markers):
            self._paint_marker(painter, column, marker)
        limit = self.table.limit
        for row, niche in enumerate(self.table.niches):
            self._paint_niche(painter, row, niche, text)
            for column in range(len(self.table.markers)):
                self._paint_cell(painter, row, column, limit, text)
        self._paint_scale(painter, limit, text)
        painter.end()

    def _paint_marker(self, painter: QPainter, column: int, marker: str) -> None:
        painter.save()
        cell = self._cell_rect(0, column)
        painter.translate(cell.center().x() - 2, _HEAD - 4)
        narrow = cell.width() < _SLANT_FROM
        if narrow:
            # Slanted names would run into each other.
            font = painter.font()
            font.setPixelSize(max(7, min(10, int(cell.width()))))
            painter.setFont(font)
        painter.rotate(-90 if narrow else -60)
        name = painter.fontMetrics().elidedText(marker, Qt.TextElideMode.ElideRight, _HEAD)
        painter.drawText(QPointF(0, 4), name)
        painter.restore()

    def _paint_niche(self, painter: QPainter, row: int, niche: Hashable, text: QColor) -> None:
        top = _HEAD + row * _ROW
        left = 2.0
        if isinstance(niche, int) and niche > 0:
            painter.fillRect(QRectF(0, top + 3, 11, 11), QColor(niche_colour(niche)))
            left = 16.0
        painter.setPen(text)
        name = self.fontMetrics().elidedText(
            self.names.get(niche, str(niche)),
            Qt.TextElideMode.ElideRight,
            int(self._name_width - left - 4),
        )
        painter.drawText(
            QRectF(left, top, self._name_width - left, _ROW),
            Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter,
            name,
        )

    def _paint_cell(
        self, painter: QPainter, row: int, column: int, limit: float, text: QColor
    ) -> None:
        cell = self.table.cells[row][column]
        rect = self._cell_rect(row, column).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.fillRect(rect, _EMPTY)
        if math.isfinite(cell.value):
            red, green, blue, alpha = shift_colour(cell.value / limit)
            painter.setOpacity(_FAINT if cell.faint else 1.0)
            painter.fillRect(rect, QColor.fromRgbF(red, green, blue, alpha))
            painter.setOpacity(1.0)
        else:
            # Not estimable looks unlike a shift of zero.
            painter.setPen(QPen(text, 0.6, Qt.PenStyle.DotLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(rect.adjusted(1, 1, -1, -1))
        if cell.dot:
            painter.setPen(QPen(QColor("black"), 0.8))
            painter.setBrush(QColor("white"))
            painter.drawEllipse(rect.center(), 2.6, 2.6)
        if self.chosen == (self.table.niches[row], self.table.markers[column]):
            painter.setPen(QPen(text, 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(rect)

    def _paint_scale(self, painter: QPainter, limit: float, text: QColor) -> None:
        top = _HEAD + len(self.table.niches) * _ROW + 5
        painter.setPen(text)
        low, high = (shift_text(value) for value in (-limit, limit))
        width = self.fontMetrics().horizontalAdvance(low) + 4
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(0, top, width, _FOOT - 4), middle, low)
        for step in range(60):
            red, green, blue, alpha = shift_colour(step / 29.5 - 1)
            painter.fillRect(
                QRectF(width + step, top + 3, 1.2, 8), QColor.fromRgbF(red, green, blue, alpha)
            )
        painter.drawText(
            QRectF(width + 64, top, self.width() - width - 64, _FOOT - 4),
            middle,
            f"{high}  {self.unit}",
        )

    @property
    def _name_width(self) -> float:
        """Room for the names: what the cells leave, no more than the longest name needs."""
        left_over = self.width() - _BEYOND - len(self.table.markers) * _MOST_CELL_WIDTH
        longest = max(
            (self.fontMetrics().horizontalAdvance(name) for name in self.names.values()), default=0
        )
        least = min(_MOST_NAME_WIDTH, max(_LEAST_NAME_WIDTH, longest + 24.0))
        return max(least, min(left_over, longest + 24.0))

    def _cell_rect(self, row: int, column: int) -> QRectF:
        room, columns = self.width() - self._name_width, max(1, len(self.table.markers))
        width = min(_MOST_CELL_WIDTH, (room - _BEYOND) / columns)
        if width < _SLANT_FROM:
            width = min(_SLANT_FROM - 0.1, (room - _BEYOND_UPRIGHT) / columns)
        return QRectF(self._name_width + column * width, _HEAD + row * _ROW, width, _ROW)

    def _cell_at(self, position: QPointF) -> tuple[int, int] | None:
        for row in range(len(self.table.niches)):
            for column in range(len(self.table.markers)):
                if self._cell_rect(row, column).contains(position):
                    return row, column
        return None
