"""Channel -> marker table with the doubtful channels first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QModelIndex, Qt, Signal
from qtpy.QtGui import QAction, QBrush, QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QMenu,
    QStyledItemDelegate,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_haiku.markers import vocabulary
from napari_haiku.viewer.slides.marker_choices import LEAVE_OUT, channel_rows
from napari_haiku.widgets.frame.appearance import CAUTION, secondary_text

if TYPE_CHECKING:
    from napari_haiku.images.slide_image import SlideImage

_CHANNEL, _MARKER, _REMARK = range(3)
_VISIBLE_ROWS = 6


class MarkerTable(QTableWidget):
    """Which protein each channel shows; the middle column can be edited.

    Emits :attr:`markers_changed` with one choice per channel of the image, in
    the image's order; "" leaves a channel out.
    """

    markers_changed = Signal(object)
    show_wanted = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 3, parent)
        self.setHorizontalHeaderLabels(["Channel in file", "Marker", ""])
        self.setToolTip("Which protein each channel shows. Yellow rows are guesses: please check.")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
            | QAbstractItemView.EditTrigger.SelectedClicked
        )
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        vertical, horizontal = self.verticalHeader(), self.horizontalHeader()
        if vertical is not None and horizontal is not None:
            vertical.hide()
            vertical.setDefaultSectionSize(21)
            for column in (_CHANNEL, _MARKER, _REMARK):
                horizontal.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        self._editor = _MarkerEditor(self)
        self.setItemDelegateForColumn(_MARKER, self._editor)
        self._theme = "dark"
        self._image: SlideImage | None = None
        self.itemChanged.connect(self._edited)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._offer_channel)

    def set_theme(self, theme: str) -> None:
        """Recolour for a napari theme."""
        self._theme = theme
        self.show_image(self._image)

    def show_image(self, image: SlideImage | None) -> None:
        """List the channels of an mIF image."""
        self._image = image
        rows = [] if image is None else channel_rows(image)
        muted = QBrush(QColor(secondary_text(self._theme)))
        caution = QBrush(QColor("#6B5200" if self._theme == "light" else CAUTION))
        editable = Qt.ItemFlag.ItemIsEditable
        with signals_blocked(self):
            self.setRowCount(len(rows))
            for line, row in enumerate(rows):
                name = QTableWidgetItem(row.name)
                name.setData(Qt.ItemDataRole.UserRole, row.channel)
                marker = QTableWidgetItem(row.marker or LEAVE_OUT)
                marker.setData(Qt.ItemDataRole.UserRole, list(row.candidates))
                remark = QTableWidgetItem(row.remark)
                for item in (name, remark):
                    item.setFlags(item.flags() & ~editable)
                remark.setForeground(caution if row.doubtful else muted)
                if row.doubtful and row.marker is not None:
                    marker.setForeground(caution)
                elif row.marker is None:
                    marker.setForeground(muted)
                if row.candidates:
                    remark.setToolTip(f"Could be {' or '.join(row.candidates)}.")
                for column, item in ((_CHANNEL, name), (_MARKER, marker), (_REMARK, remark)):
                    self.setItem(line, column, item)
        shown = min(max(len(rows), 1), _VISIBLE_ROWS)
        self.setFixedHeight(21 * shown + 26)

    def choices(self) -> list[str]:
        """One marker per channel, in the image's order; "" where it is left out."""
        chosen = [""] * self.rowCount()
        for line in range(self.rowCount()):
            name, marker = self.item(line, _CHANNEL), self.item(line, _MARKER)
            if name is not None and marker is not None:
                text = marker.text().strip()
                chosen[name.data(Qt.ItemDataRole.UserRole)] = "" if text == LEAVE_OUT else text
        return chosen

    def _edited(self, item: QTableWidgetItem) -> None:
        if item.column() == _MARKER:
            self.markers_changed.emit(self.choices())

    def _offer_channel(self, position: Any) -> None:
        name = self.item(self.rowAt(position.y()), _CHANNEL)
        if name is None:
            return
        menu = QMenu(self)
        show = QAction(f"Show {name.text()} on the slide", menu)
        menu.addAction(show)
        channel = int(name.data(Qt.ItemDataRole.UserRole))
        show.triggered.connect(lambda _checked=False: self.show_wanted.emit(channel))
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        viewport = self.viewport()
        menu.popup(viewport.mapToGlobal(position) if viewport is not None else position)


class _MarkerEditor(QStyledItemDelegate):
    """An editable list of the vocabulary, candidates first."""

    def createEditor(self, parent: Any, option: Any, index: Any) -> QWidget:
        """Offer "leave out", the likely markers, then all."""
        combo = QComboBox(parent)
        combo.setEditable(True)
        candidates = index.data(Qt.ItemDataRole.UserRole) or []
        known = [name for name in vocabulary() if name not in candidates]
        combo.addItems([LEAVE_OUT, *candidates, *known])
        combo.activated.connect(lambda _index: self.commitData.emit(combo))
        return combo

    def setEditorData(self, editor: Any, index: Any) -> None:
        """Start from the marker in the cell."""
        editor.setCurrentText(str(index.data(Qt.ItemDataRole.DisplayRole)))
        editor.lineEdit().selectAll()

    def setModelData(self, editor: Any, model: Any, index: QModelIndex) -> None:
        """Write the choice back."""
        model.setData(index, editor.currentText().strip() or LEAVE_OUT)
