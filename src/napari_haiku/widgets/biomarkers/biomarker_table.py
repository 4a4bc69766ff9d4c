"""The markers of a slide: find one, see how far its map is to be trusted, choose it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPalette
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QSizePolicy,
    QStyledItemDelegate,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_haiku.viewer.biomarkers.marker_rows import (
    ALL_GROUP,
    MarkerRow,
    filtered_rows,
    groups_present,
)
from napari_haiku.viewer.layers.legend import limits_text
from napari_haiku.widgets.frame.empty_note import EmptyNote

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

MARKER, AGREEMENT, LIMITS = range(3)
_ROW_HEIGHT = 22
_FEWEST_SHOWN, _MOST_SHOWN = 3, 7
_BAR = QColor("#56B4E9")
_UNRELIABLE = QColor("#8A8A92")
_TROUGH = QColor(128, 128, 140, 60)
_ROW_ROLE = Qt.ItemDataRole.UserRole


class _AgreementBar(QStyledItemDelegate):
    """Paints r as a bar with its number; grey where too low to rely on."""

    def paint(self, painter: Any, option: Any, index: Any) -> None:
        """Paint one cell."""
        row = index.data(_ROW_ROLE)
        super().paint(painter, option, index)
        if not isinstance(row, MarkerRow):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(option.rect)
        number_width = 44.0
        trough = QRectF(
            rect.left() + 4, rect.center().y() - 3, max(8.0, rect.width() - number_width - 8), 6
        )
        if row.measured:
            painter.fillRect(trough, _TROUGH)
            filled = QRectF(trough)
            filled.setWidth(trough.width() * min(1.0, max(0.0, row.r)))
            painter.fillRect(filled, _BAR if row.reliable else _UNRELIABLE)
        text = option.palette.color(QPalette.ColorRole.Text)
        painter.setPen(text if row.reliable else _UNRELIABLE)
        painter.drawText(
            rect.adjusted(0, 0, -6, 0),
            Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter,
            row.r_text,
        )
        painter.restore()


EMPTY = "Press Predict: a map of every marker the atlas holds, with how far each can be trusted."


class BiomarkerTable(QWidget):
    """Find box, groups and table; one marker is current, several may be ticked.

    Signals
    -------
    marker_chosen : (marker)
        The current marker changed.
    marker_clicked : (marker)
        A row was clicked, perhaps that of the current marker.
    ticks_changed : ()
        Another set of markers is ticked.
    """

    marker_chosen = Signal(str)
    marker_clicked = Signal(str)
    ticks_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[MarkerRow] = []
        self._limits: dict[str, tuple[float, float]] = {}
        self._groups: dict[str, tuple[str, ...]] = {}
        self._current: str | None = None
        self._ticked: list[str] = []
        self.find_box = QLineEdit()
        self.find_box.setPlaceholderText("Find a marker...")
        self.find_box.setToolTip("Type part of a name.")
        self.find_box.setClearButtonEnabled(True)
        for button in self.find_box.findChildren(QToolButton):
            button.setToolTip("Show all markers again.")
        self.find_box.textChanged.connect(lambda _text: self._fill())
        self.group = QComboBox()
        self.group.setToolTip("Show only the markers of one kind.")
        self.group.setAccessibleName("Group of markers")
        self.group.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.group.setMinimumContentsLength(8)
        self.group.currentIndexChanged.connect(lambda _index: self._fill())
        self.table = self._new_table()
        self.empty_note = EmptyNote(self.table, EMPTY)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        narrowing = QHBoxLayout()
        narrowing.addWidget(self.find_box, 1)
        narrowing.addWidget(self.group)
        column.addLayout(narrowing)
        column.addWidget(self.table)

    @property
    def rows(self) -> list[MarkerRow]:
        """All markers, filtered or not."""
        return list(self._rows)

    @property
    def shown(self) -> list[str]:
        """Markers in the table now, top to bottom."""
        return [self._marker_at(row) for row in range(self.table.rowCount())]

    @property
    def current(self) -> str | None:
        """The marker whose map is on show."""
        return self._current

    @property
    def ticked(self) -> list[str]:
        """Markers with a tick, in the order they were ticked."""
        return list(self._ticked)

    def show_rows(self, rows: Sequence[MarkerRow], groups: Mapping[str, Collection[str]]) -> None:
        """Show these markers; the current one stays where it is among them."""
        self._rows = list(rows)
        self._groups = {name: tuple(members) for name, members in groups.items()}
        names = {row.marker for row in rows}
        self._ticked = [marker for marker in self._ticked if marker in names]
        self._limits = {}
        if self._current not in names:
            self._current = None
        self.empty_note.setVisible(not rows)
        self._fill_groups()
        self._fill()

    def show_limits(self, limits: Mapping[str, tuple[float, float]]) -> None:
        """Write both ends of the colour bar beside the markers."""
        self._limits.update(limits)
        with signals_blocked(self.table):
            for row in range(self.table.rowCount()):
                marker = self._marker_at(row)
                item = self.table.item(row, LIMITS)
                if item is not None and marker in self._limits:
                    item.setText(limits_text(self._limits[marker]))

    def set_current(self, marker: str) -> None:
        """Choose a marker as if its row had been clicked; alone, it is the ticked one."""
        if marker == self._current:
            return
        self._current = marker
        if len(self._ticked) <= 1:
            self._ticked = [marker]
        self._mark()
        self.marker_chosen.emit(marker)

    def take(self, marker: str | None, ticked: Sequence[str]) -> None:
        """Choose markers before they are on show; nobody is told."""
        self._current = marker
        self._ticked = list(ticked)
        self._mark()

    def set_ticked(self, marker: str, ticked: bool) -> None:
        """Tick or untick a marker as if its box had been clicked."""
        if ticked == (marker in self._ticked):
            return
        if ticked:
            self._ticked.append(marker)
        else:
            self._ticked.remove(marker)
        self._mark()
        self.ticks_changed.emit()

    def _new_table(self) -> QTableWidget:
        table = QTableWidget(0, 3)
        table.setHorizontalHeaderLabels(["Marker", "r", "Limits"])
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setShowGrid(False)
        table.setAlternatingRowColors(True)
        table.setItemDelegateForColumn(AGREEMENT, _AgreementBar(table))
        table.setAccessibleName("Markers")
        table.setToolTip("Click a marker to see its map; tick several to see them together.")
        heading = table.horizontalHeader()
        vertical = table.verticalHeader()
        if heading is not None and vertical is not None:
            vertical.setVisible(False)
            vertical.setMinimumSectionSize(_ROW_HEIGHT)
            vertical.setDefaultSectionSize(_ROW_HEIGHT)
            heading.setSectionResizeMode(MARKER, QHeaderView.ResizeMode.Stretch)
            heading.setSectionResizeMode(AGREEMENT, QHeaderView.ResizeMode.Fixed)
            heading.setSectionResizeMode(LIMITS, QHeaderView.ResizeMode.Fixed)
            heading.resizeSection(AGREEMENT, 118)
            heading.resizeSection(LIMITS, 104)
            heading.setFixedHeight(_ROW_HEIGHT)
        agreement = table.horizontalHeaderItem(AGREEMENT)
        if agreement is not None:
            agreement.setToolTip(
                "Agreement with what was measured on this slide (Pearson r). Grey: too low to "
                "rely on. A dash: not measured here."
            )
        table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        table.currentCellChanged.connect(lambda row, *_: self._on_row(row))
        table.cellClicked.connect(self._on_click)
        table.itemChanged.connect(self._on_item)
        return table

    def _fill_groups(self) -> None:
        names = groups_present([row.marker for row in self._rows], self._groups)
        current = self.group.currentText()
        with signals_blocked(self.group):
            self.group.clear()
            self.group.addItems(names)
            self.group.setCurrentIndex(max(0, self.group.findText(current)))

    def _fill(self) -> None:
        group = self.group.currentText() or ALL_GROUP
        rows = filtered_rows(self._rows, self.find_box.text(), group, self._groups)
        with signals_blocked(self.table):
            self.table.setRowCount(len(rows))
            for index, row in enumerate(rows):
                self._fill_row(index, row)
        rows_shown = min(max(len(self._rows), _FEWEST_SHOWN), _MOST_SHOWN)
        self.table.setFixedHeight((rows_shown + 1) * _ROW_HEIGHT + 4)
        self._mark()

    def _fill_row(self, index: int, row: MarkerRow) -> None:
        chosen = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        flags = chosen if row.predictable else Qt.ItemFlag.NoItemFlags
        name = QTableWidgetItem(row.marker)
        name.setFlags(flags | Qt.ItemFlag.ItemIsUserCheckable if row.predictable else flags)
        name.setCheckState(Qt.CheckState.Unchecked)
        agreement = QTableWidgetItem()
        agreement.setData(_ROW_ROLE, row)
        limits = QTableWidgetItem(
            limits_text(self._limits[row.marker]) if row.marker in self._limits else ""
        )
        limits.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for column, item in ((MARKER, name), (AGREEMENT, agreement), (LIMITS, limits)):
            if column != MARKER:
                item.setFlags(flags)
            item.setToolTip(row.hint)
            self.table.setItem(index, column, item)

    def _mark(self) -> None:
        """Bring ticks and the current row in line with what is chosen."""
        with signals_blocked(self.table):
            self.table.setCurrentCell(-1, -1)
            for row in range(self.table.rowCount()):
                marker = self._marker_at(row)
                item = self.table.item(row, MARKER)
                if item is not None:
                    ticked = marker in self._ticked
                    item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
                if marker == self._current:
                    self.table.setCurrentCell(row, MARKER)

    def _on_row(self, row: int) -> None:
        if row >= 0:
            self.set_current(self._marker_at(row))

    def _on_click(self, row: int, _column: int) -> None:
        self.marker_clicked.emit(self._marker_at(row))

    def _on_item(self, item: QTableWidgetItem) -> None:
        if item.column() == MARKER:
            self.set_ticked(item.text(), item.checkState() == Qt.CheckState.Checked)

    def _marker_at(self, row: int) -> str:
        item = self.table.item(row, MARKER)
        return "" if item is None else item.text()

    def sizeHint(self) -> QSize:
        """Wide enough for the three columns."""
        return QSize(346, super().sizeHint().height())
