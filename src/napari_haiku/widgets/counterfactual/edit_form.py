"""The record as a form to ask with: choices are the values that the atlas knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QSizePolicy, QWidget
from superqt import QElidingLabel
from superqt.utils import signals_blocked

from napari_haiku.clinical import field_label
from napari_haiku.viewer.counterfactual.record_edits import Choice, choices
from napari_haiku.widgets.frame.appearance import CHANGED
from napari_haiku.widgets.frame.restyling import set_look
from napari_haiku.widgets.frame.short_combo import ShortCombo

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from napari_haiku.viewer.counterfactual.record_edits import RecordEdits

_COLUMNS = 2
_LONG_VALUE = 10
_ANOTHER = "another value..."
IDLE_HEADING = "Without meaning, to test the model"
_GREYED = QColor("#8A8A92")
_VALUE_ROLE = Qt.ItemDataRole.UserRole


class _FieldBox(ShortCombo):
    """Values of one field; the wheel scrolls the dock instead of changing the record."""

    value_chosen = Signal(str)

    def __init__(self, field: str) -> None:
        super().__init__()
        self.field = field
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(4)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(field_label(field))
        self.activated.connect(self._on_activated)

    def show_choices(self, offered: list[Choice], value: str) -> None:
        """Offer values and show the one the record reads now."""
        with signals_blocked(self):
            self.setEditable(False)
            self.clear()
            for choice in offered:
                self.addItem(choice.text, choice.value)
                if not choice.enabled and choice.value:
                    index = self.count() - 1
                    self.setItemData(index, _GREYED, Qt.ItemDataRole.ForegroundRole)
                    self.setItemData(index, choice.hint, Qt.ItemDataRole.ToolTipRole)
            self.insertSeparator(self.count())
            self.addItem(_ANOTHER)
            self.setCurrentIndex(self.findData(value, _VALUE_ROLE))

    def is_greyed(self, value: str) -> bool:
        """Whether a value is drawn as one that the atlas does not know."""
        index = self.findData(value, _VALUE_ROLE)
        return index >= 0 and self.itemData(index, Qt.ItemDataRole.ForegroundRole) is not None

    def wheelEvent(self, event: object) -> None:
        """Leave the wheel to the scrolling dock."""
        ignore = getattr(event, "ignore", None)
        if ignore is not None:
            ignore()

    def _on_activated(self, index: int) -> None:
        if self.itemText(index) != _ANOTHER:
            self.value_chosen.emit(str(self.itemData(index, _VALUE_ROLE)))
            return
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        line = self.lineEdit()
        if line is not None:
            line.clear()
            line.setPlaceholderText("type a value")
            line.setFocus()
            line.editingFinished.connect(lambda: self._typed(line.text().strip()))

    def _typed(self, text: str) -> None:
        if self.isEditable():
            self.setEditable(False)
            self.value_chosen.emit(text)


class EditForm(QWidget):
    """Two columns of fields, names above; a changed field is orange and carries a dot.

    Signals
    -------
    field_chosen : (field, value)
        The user chose a value; the form waits to be told what to show.
    """

    field_chosen = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.boxes: dict[str, _FieldBox] = {}
        self.labels: dict[str, QElidingLabel] = {}
        self._values: dict[str, dict[str, int]] = {}
        self._idle: frozenset[str] = frozenset()
        self.idle_heading = QLabel(IDLE_HEADING, self)
        self.idle_heading.setProperty("haiku", "secondary")
        self.idle_heading.setToolTip(
            "These were made to say nothing of tissue: an edit of one should shift nothing."
        )
        self.idle_heading.hide()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(2)

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields on show."""
        return tuple(self.boxes)

    def show_fields(
        self, values: Mapping[str, Mapping[str, int]], idle: Collection[str] = ()
    ) -> None:
        """Offer these fields.

        Parameters
        ----------
        values : Mapping
            Field -> value -> number of the atlas's patients.
        idle : collection of str
            Fields without meaning; a heading stands before the first of them.
        """
        self._idle = frozenset(idle)
        self._grid.removeWidget(self.idle_heading)
        self._values = {field: dict(counts) for field, counts in values.items()}
        for widget in (*self.labels.values(), *self.boxes.values()):
            self._grid.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        self.boxes, self.labels = {}, {}
        row = column = 0
        headed = False
        for field in values:
            if field in self._idle and not headed:
                row, column, headed = row + (1 if column else 0), 0, True
                self._grid.addWidget(self.idle_heading, 2 * row, 0, 1, _COLUMNS)
                row += 1
            label = QElidingLabel()
            label.setMinimumWidth(60)
            label.setToolTip(field_label(field))
            box = _FieldBox(field)
            box.value_chosen.connect(lambda value, name=field: self.field_chosen.emit(name, value))
            wide = _is_wide(values[field])
            if wide and column:
                row, column = row + 1, 0
            span = _COLUMNS if wide else 1
            self._grid.addWidget(label, 2 * row, column, 1, span)
            self._grid.addWidget(box, 2 * row + 1, column, 1, span)
            self.boxes[field], self.labels[field] = box, label
            column = _COLUMNS if wide else column + 1
            if column == _COLUMNS:
                row, column = row + 1, 0
        for column in range(_COLUMNS):
            self._grid.setColumnStretch(column, 1)

    def show_only(self, fields: Collection[str] | None) -> None:
        """Show these fields only, or all of them with None."""
        for field, box in self.boxes.items():
            shown = fields is None or field in fields
            box.setVisible(shown)
            self.labels[field].setVisible(shown)
        idle = self._idle.intersection(self.boxes)
        self.idle_heading.setVisible(bool(idle if fields is None else idle.intersection(fields)))

    def show_record(self, record: RecordEdits) -> None:
        """Show what the record reads now and which fields were changed."""
        for field, box in self.boxes.items():
            changed = field in record.edits
            value = record.value(field)
            own = record.baseline.get(field, "")
            offered = {own: 0, value: 0} | self._values[field]
            box.show_choices(choices(offered, own), value)
            box.setToolTip(
                f"{field_label(field)}: {own or 'not recorded'} on this slide."
                if changed
                else "Change the value to ask: what would tissue like this look like in "
                "patients recorded so?"
            )
            set_look(box, "changed", changed)
            dot = "\N{BLACK CIRCLE} " if changed else ""
            self.labels[field].setText(f"{dot}{field_label(field)}")
            self.labels[field].setStyleSheet(f"color: {CHANGED}" if changed else "")


def _is_wide(values: Mapping[str, int]) -> bool:
    """Whether a field's values are too long for half a line."""
    return max((len(value) for value in values), default=0) > _LONG_VALUE
