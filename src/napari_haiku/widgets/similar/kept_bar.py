"""Hits kept under names: choosing, renaming and forgetting them, two of them compared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_haiku.widgets.frame.appearance import LABEL_WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.viewer.search.kept_hits import ComparedLine, KeptHits

_NOW = "Hits found now"
_CLOSE = "\N{MULTIPLICATION SIGN}"
_ROW_HEIGHT, _VISIBLE_ROWS = 20, 9


class KeptBar(QWidget):
    """One line that is there once something was kept.

    Emits :attr:`chosen` with a set, or None for the hits found now,
    :attr:`changed` when a set came, went or was renamed, and
    :attr:`compare_wanted` with two sets.
    """

    chosen = Signal(object)
    changed = Signal()
    compare_wanted = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kept: list[KeptHits] = []
        self.names = QComboBox()
        self.names.setEditable(True)
        self.names.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.names.setToolTip("Kept hits: choose a set to see it; type to rename it.")
        self.names.setAccessibleName("Kept hits")
        self.forget = QPushButton(_CLOSE)
        self.forget.setProperty("haiku", "small")
        self.forget.setToolTip("Forget this set.")
        self.other = QComboBox()
        self.other.setToolTip("Which set the chosen one is put beside.")
        self.other.setAccessibleName("Compare with")
        self.table = ComparisonTable()
        label = QLabel("Kept")
        label.setFixedWidth(LABEL_WIDTH)
        first = QHBoxLayout()
        first.addWidget(label)
        first.addWidget(self.names, 1)
        first.addWidget(self.forget)
        self._beside = QWidget()
        second = QHBoxLayout(self._beside)
        second.setContentsMargins(0, 0, 0, 0)
        beside = QLabel("beside")
        beside.setFixedWidth(LABEL_WIDTH)
        second.addWidget(beside)
        second.addWidget(self.other, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(first)
        column.addWidget(self._beside)
        column.addWidget(self.table)
        self.names.activated.connect(lambda _index: self._choose())
        line = self.names.lineEdit()
        if line is not None:
            line.editingFinished.connect(self._rename)
        self.forget.clicked.connect(lambda _checked=False: self._forget())
        self.other.activated.connect(lambda _index: self.compare())
        self.hide_comparison()
        self._fill(0)

    @property
    def current(self) -> KeptHits | None:
        """The set chosen; None for the hits found now."""
        index = self.names.currentIndex()
        return self.kept[index - 1] if 1 <= index <= len(self.kept) else None

    def keep(self, hits: KeptHits) -> None:
        """Keep a set and choose it; one of the same name is replaced."""
        place = next((i for i, old in enumerate(self.kept) if old.name == hits.name), None)
        if place is None:
            self.kept.append(hits)
            place = len(self.kept) - 1
        else:
            self.kept[place] = hits
        self._fill(place + 1)
        self.changed.emit()

    def put(self, kept: Sequence[KeptHits]) -> None:
        """Show these sets, from an earlier visit; the hits found now stay chosen."""
        self.kept = list(kept)
        self._fill(0)

    def show_now(self) -> None:
        """Choose the hits found now, without emitting."""
        self._fill(0)
        self.hide_comparison()

    def compare(self) -> None:
        """Ask for the chosen set beside another one."""
        first = self.current or (self.kept[-1] if self.kept else None)
        others = [one for one in self.kept if one is not first]
        if first is None or not others:
            return
        wanted = self.other.currentText()
        second = next((one for one in others if one.name == wanted), others[-1])
        with signals_blocked(self.other):
            self.other.clear()
            self.other.addItems([one.name for one in others])
            self.other.setCurrentText(second.name)
        self._beside.show()
        self.compare_wanted.emit(first, second)

    def show_comparison(self, first: str, second: str, lines: Sequence[ComparedLine]) -> None:
        """Show what two sets have."""
        self.table.show_lines(first, second, lines)
        self.table.show()

    def hide_comparison(self) -> None:
        """Put the comparison away."""
        self._beside.hide()
        self.table.hide()

    def _fill(self, current: int) -> None:
        with signals_blocked(self.names):
            self.names.clear()
            self.names.addItems([_NOW, *(one.name for one in self.kept)])
            self.names.setCurrentIndex(current)
        self.forget.setEnabled(current > 0)
        line = self.names.lineEdit()
        if line is not None:
            line.setReadOnly(current == 0)
        self.setVisible(bool(self.kept))

    def _choose(self) -> None:
        self._fill(self.names.currentIndex())
        self.hide_comparison()
        self.chosen.emit(self.current)

    def _rename(self) -> None:
        current, name = self.current, self.names.currentText().strip()
        if current is None or name == current.name:
            return
        place = self.kept.index(current)
        if name and name != _NOW and all(one.name != name for one in self.kept):
            self.kept[place] = replace(current, name=name)
            self.changed.emit()
        self._fill(place + 1)

    def _forget(self) -> None:
        current = self.current
        if current is not None:
            self.kept.remove(current)
            self._fill(0)
            self.hide_comparison()
            self.changed.emit()
            self.chosen.emit(None)


class ComparisonTable(QTableWidget):
    """Two kept sets side by side."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 3, parent)
        self.setToolTip(
            "What each set holds; markers in standard deviations of the atlas, those that tell "
            "the sets apart first."
        )
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        vertical, horizontal = self.verticalHeader(), self.horizontalHeader()
        if vertical is not None and horizontal is not None:
            vertical.hide()
            vertical.setDefaultSectionSize(_ROW_HEIGHT)
            horizontal.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)

    def show_lines(self, first: str, second: str, lines: Sequence[ComparedLine]) -> None:
        """Fill the table."""
        self.setHorizontalHeaderLabels(["", first, second])
        self.setRowCount(len(lines))
        for place, line in enumerate(lines):
            for column, text in enumerate((line.what, line.first, line.second)):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.setItem(place, column, item)
        self.setFixedHeight(_ROW_HEIGHT * min(len(lines), _VISIBLE_ROWS) + 26)
