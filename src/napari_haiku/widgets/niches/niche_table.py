"""The niches: colour, name, size and what stands out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QSizePolicy,
    QStyledItemDelegate,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_haiku.viewer.layers.colormaps import FIRST_HATCHED_NICHE, niche_colour
from napari_haiku.widgets.frame.empty_note import EmptyNote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.viewer.niches.niche_rows import NicheRow

NAME, PATCHES, SHARE, STANDS_OUT = range(4)
_ROW_HEIGHT = 22
_NICHE_ROLE = Qt.ItemDataRole.UserRole


def swatch(niche: int, size: int = 12) -> QIcon:
    """Colour of a niche as an icon; hatched from the ninth on."""
    picture = QPixmap(size, size)
    picture.fill(QColor(niche_colour(niche)))
    if niche >= FIRST_HATCHED_NICHE:
        painter = QPainter(picture)
        painter.setPen(QColor("white"))
        for offset in range(0, 2 * size, 4):
            painter.drawLine(offset, 0, 0, offset)
        painter.end()
    return QIcon(picture)


EMPTY = "Press Find niches: patches that look alike are grouped, named and coloured on the slide."


class NicheTable(QTableWidget):
    """One row per niche; names can be edited, rows selected to light niches up.

    Signals
    -------
    renamed : (niche, name)
    selected : (tuple of niches)
    """

    renamed = Signal(int, str)
    selected = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 4, parent)
        self.setHorizontalHeaderLabels(["Name", "Patches", "Share", "Stands out"])
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setAccessibleName("Niches")
        self.setToolTip(
            "Click to light it up; Ctrl-click several. Double-click a name to edit it. "
            "Names in italics are suggestions."
        )
        # Enter confirms a suggested name also where nothing was typed.
        self._names = QStyledItemDelegate(self)
        self.setItemDelegateForColumn(NAME, self._names)
        # After the table itself, which writes the typed name into its item first.
        self._names.commitData.connect(lambda _editor: self._confirm())
        heading, vertical = self.horizontalHeader(), self.verticalHeader()
        if heading is not None and vertical is not None:
            vertical.setVisible(False)
            vertical.setMinimumSectionSize(_ROW_HEIGHT)
            vertical.setDefaultSectionSize(_ROW_HEIGHT)
            heading.setFixedHeight(_ROW_HEIGHT)
            for column, width in ((PATCHES, 54), (SHARE, 44), (STANDS_OUT, 104)):
                heading.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
                heading.resizeSection(column, width)
            heading.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.empty_note = EmptyNote(self, EMPTY)
        self._fit()
        self.itemSelectionChanged.connect(lambda: self.selected.emit(self.selected_niches))

    @property
    def selected_niches(self) -> tuple[int, ...]:
        """Niches whose rows are selected."""
        rows = sorted({index.row() for index in self.selectedIndexes()})
        return tuple(self._niche_at(row) for row in rows)

    def show_rows(self, rows: Sequence[NicheRow]) -> None:
        """Show these niches; nothing is selected afterwards."""
        with signals_blocked(self):
            self.clearSelection()
            self.setRowCount(len(rows))
            for index, row in enumerate(rows):
                name = QTableWidgetItem(row.name)
                name.setIcon(swatch(row.niche))
                name.setData(_NICHE_ROLE, row.niche)
                font = name.font()
                font.setItalic(not row.confirmed)
                name.setFont(font)
                name.setToolTip(
                    f"Niche {row.niche}: {row.name}. Double-click to rename."
                    if row.confirmed
                    else f"Niche {row.niche}: {row.name}, suggested by its markers. "
                    "Double-click, then Enter to confirm or change it."
                )
                self.setItem(index, NAME, name)
                for column, text in (
                    (PATCHES, f"{row.patches:,}"),
                    (SHARE, f"{row.share:.0%}"),
                    (STANDS_OUT, row.stands_out),
                ):
                    item = QTableWidgetItem(text)
                    item.setFlags(Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled)
                    item.setToolTip(row.stands_out if column == STANDS_OUT else "")
                    if column != STANDS_OUT:
                        item.setTextAlignment(
                            Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                        )
                    self.setItem(index, column, item)
        self.empty_note.setVisible(not rows)
        self._fit()

    def select(self, niches: Sequence[int]) -> None:
        """Select rows as if they had been clicked."""
        with signals_blocked(self):
            self.clearSelection()
            mode = self.selectionMode()
            self.setSelectionMode(QAbstractItemView.SelectionMode.MultiSelection)
            for row in range(self.rowCount()):
                if self._niche_at(row) in niches:
                    self.selectRow(row)
            self.setSelectionMode(mode)
        self.selected.emit(self.selected_niches)

    def keyPressEvent(self, event: Any) -> None:
        """Let Escape unselect, so that all niches look alike again."""
        if event.key() == Qt.Key.Key_Escape and self.selected_niches:
            self.clearSelection()
            return
        super().keyPressEvent(event)

    def edit_name(self, niche: int) -> None:
        """Open the editor on a niche's name."""
        for row in range(self.rowCount()):
            item = self.item(row, NAME)
            if item is not None and self._niche_at(row) == niche:
                self.scrollToItem(item)
                self.setCurrentCell(row, NAME)
                self.editItem(item)

    def _confirm(self) -> None:
        item = self.currentItem()
        if item is not None and item.column() == NAME:
            self.renamed.emit(int(item.data(_NICHE_ROLE)), item.text())

    def _niche_at(self, row: int) -> int:
        item = self.item(row, NAME)
        return 0 if item is None else int(item.data(_NICHE_ROLE))

    def _fit(self) -> None:
        rows = max(2, min(self.rowCount(), 12))
        self.setFixedHeight((rows + 1) * _ROW_HEIGHT + 4)
