"""The clinical record as a form: typed, pasted from a spreadsheet row or read from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QCompleter,
    QGridLayout,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_haiku.clinical import field_label, is_empty, is_identifying
from napari_haiku.errors import HaikuError
from napari_haiku.widgets.frame.appearance import LABEL_WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WIDE_VALUE = 12
_SECOND_LABEL_WIDTH = 70


class RecordForm(QWidget):
    """Two columns of fields; long values take a whole line.

    Identifying fields are shown locked: they stay on this computer and enter
    no caption.
    """

    changed = Signal()
    file_wanted = Signal()
    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._record: dict[str, str] = {}
        self._known: dict[str, tuple[str, ...]] = {}
        self._editors: dict[str, QLineEdit] = {}
        self._grid_box = QWidget()
        self._grid = QGridLayout(self._grid_box)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(6)
        self._grid.setVerticalSpacing(5)
        self._grid.setColumnMinimumWidth(0, LABEL_WIDTH)
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnStretch(3, 1)
        self.buttons = QWidget()
        row = QHBoxLayout(self.buttons)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self.add_button = QPushButton("+")
        self.add_button.setToolTip("Add a field of the record.")
        self.paste_button = QPushButton("Paste row...")
        self.paste_button.setToolTip("Paste two spreadsheet rows: field names above, values below.")
        self.file_button = QPushButton("From file...")
        self.file_button.setToolTip("Read a JSON file, or a table with one row per patient.")
        for button in (self.add_button, self.paste_button, self.file_button):
            button.setProperty("haiku", "small")
            row.addWidget(button)
        self.add_button.clicked.connect(lambda _checked=False: self._ask_field())
        self.paste_button.clicked.connect(lambda _checked=False: self._paste())
        self.file_button.clicked.connect(lambda _checked=False: self.file_wanted.emit())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._grid_box)

    def record(self) -> dict[str, str]:
        """Field -> value as typed; empty values are left out."""
        return {field: value for field, value in self._record.items() if not is_empty(value)}

    def set_record(self, record: Mapping[str, str]) -> None:
        """Fill the form; fields of the atlas stay as empty lines."""
        if dict(record) == self.record():
            return
        self._record = {field: str(value) for field, value in record.items()}
        self._lay_out()

    def set_known(self, values: Mapping[str, Iterable[str]]) -> None:
        """Offer the atlas's fields, and its values while typing."""
        known = {field: tuple(options) for field, options in values.items()}
        if known != self._known:
            self._known = known
            self._lay_out()

    def field_editor(self, field: str) -> QLineEdit:
        """Give the line of a field.

        Raises
        ------
        KeyError
            There is no such field on the form.
        """
        return self._editors[field]

    def set_field(self, field: str, value: str) -> None:
        """Type a value, adding the field when it is new."""
        if self._record.get(field) == value:
            return
        self._record[field] = value
        self._lay_out()
        self.changed.emit()

    def _lay_out(self) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._editors = {}
        fields = list(self._record) + [f for f in self._known if f not in self._record]
        line, side = 0, 0
        for field in fields:
            value = self._record.get(field, "")
            wide = len(value) > _WIDE_VALUE or self._long_name(field)
            if wide and side:
                line, side = line + 1, 0
            self._add_line(field, value, line, side, wide)
            if wide or side:
                line, side = line + 1, 0
            else:
                side = 1
        self._grid_box.setVisible(bool(fields))

    def _add_line(self, field: str, value: str, line: int, side: int, wide: bool) -> None:
        locked = is_identifying(field)
        label = QElidingLabel(field_label(field))
        # A long name takes the room of the first value as well.
        long = self._long_name(field)
        if not long:
            label.setFixedWidth(LABEL_WIDTH if side == 0 else _SECOND_LABEL_WIDTH)
        label.setToolTip(field)
        editor = QLineEdit(value)
        editor.setMinimumWidth(40)
        editor.setCursorPosition(0)
        editor.setAccessibleName(field)
        if locked:
            editor.setEnabled(False)
            editor.setEchoMode(QLineEdit.EchoMode.Password)
            editor.setToolTip("Identifies the patient: stays on this computer and is never used.")
        else:
            editor.setToolTip(value or f"{field_label(field)}, in the words of the atlas.")
            completer = QCompleter(list(self._known.get(field, ())), editor)
            completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
            editor.setCompleter(completer)
            editor.textEdited.connect(lambda text, name=field: self._type(name, text))
            editor.editingFinished.connect(self.changed.emit)
        columns = (0, 2, 2, 2) if long else (2 * side, 1, 2 * side + 1, 3 if wide else 1)
        self._grid.addWidget(label, line, columns[0], 1, columns[1])
        self._grid.addWidget(editor, line, columns[2], 1, columns[3])
        self._editors[field] = editor

    def _long_name(self, field: str) -> bool:
        return self.fontMetrics().horizontalAdvance(field_label(field)) > LABEL_WIDTH - 4

    def _type(self, field: str, text: str) -> None:
        self._record[field] = text

    def _ask_field(self) -> None:
        name, accepted = QInputDialog.getText(self, "Add a field", "Name of the field")
        if accepted and name.strip():
            self._record.setdefault(name.strip(), "")
            self._lay_out()

    def _paste(self) -> None:
        clipboard = QApplication.clipboard()
        text = clipboard.text() if clipboard is not None else ""
        try:
            self.set_record(pasted_record(text))
        except HaikuError as error:
            self.failed.emit(str(error))
        else:
            self.changed.emit()


def pasted_record(text: str) -> dict[str, str]:
    """Read what a spreadsheet copies: a row of names over a row of values, or two columns.

    Raises
    ------
    HaikuError
        It is neither.
    """
    lines = [line.split("\t") for line in text.strip("\r\n").splitlines() if line.strip()]
    if len(lines) == 2 and len(lines[0]) == len(lines[1]) and len(lines[0]) > 1:
        pairs = list(zip(lines[0], lines[1], strict=True))
    elif lines and all(len(cells) == 2 for cells in lines):
        pairs = [(cells[0], cells[1]) for cells in lines]
    else:
        raise HaikuError(
            "What was copied is no record: copy the row of field names and the row of values "
            "together, or two columns."
        )
    return {name.strip(): value.strip() for name, value in pairs if name.strip()}


def privacy_note() -> QLabel:
    """Make the line under every record."""
    label = QLabel("Patient id stays on this computer and is never used.")
    label.setProperty("haiku", "secondary")
    label.setWordWrap(True)
    return label
