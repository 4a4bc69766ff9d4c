"""The record that is edited: form, undo, and the caption with the change marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_haiku.clinical import caption
from napari_haiku.viewer.counterfactual.caption_difference import caption_html
from napari_haiku.viewer.counterfactual.record_edits import RecordEdits
from napari_haiku.widgets.counterfactual.edit_form import EditForm

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_MOST_UNFOLDED = 4
NO_RECORD = "This slide has no clinical record yet: type one in Encode."
NO_FIELDS = "The slide's record shares no field with this atlas: type one in Encode."


class EditSection(QWidget):
    """A record and the edits made to it.

    Signals
    -------
    edited : ()
        The record reads differently now, by the form, undo, redo or reset.
    encode_wanted : ()
        The user goes to type a record.
    """

    edited = Signal()
    encode_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.record = RecordEdits()
        self._folded = False
        title = QLabel("Clinical record")
        title.setProperty("haiku", "heading")
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.addWidget(title)
        head.addStretch(1)
        self.undo_button = QPushButton("Undo")
        self.redo_button = QPushButton("Redo")
        self.reset_button = QPushButton("Reset")
        for button, slot, tooltip in (
            (self.undo_button, self.undo, "Take the last change back. (U)"),
            (self.redo_button, self.redo, "Make it again. (Shift+U)"),
            (self.reset_button, self.reset, "Back to the slide's record."),
        ):
            button.setToolTip(tooltip)
            button.clicked.connect(lambda _checked=False, action=slot: action())
            head.addWidget(button)
        self.form = EditForm()
        self.form.field_chosen.connect(self.set_field)
        self.no_fields = QLabel(NO_FIELDS)
        self.encode_button = QPushButton("Type a record in Encode")
        self.encode_button.setToolTip("Go to the record of this slide in the Encode dock.")
        self.encode_button.clicked.connect(lambda _checked=False: self.encode_wanted.emit())
        self.caption = QLabel()
        self.caption.setTextFormat(Qt.TextFormat.RichText)
        self.caption.setToolTip("The exact text that is compared.")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(head)
        column.addWidget(self.form)
        self.unfold_button = QPushButton()
        self.unfold_button.setToolTip("Show the fields that were not changed too.")
        self.unfold_button.clicked.connect(lambda _checked=False: self.fold(False))
        column.addWidget(self.unfold_button)
        for label in (self.no_fields, self.caption):
            label.setWordWrap(True)
            label.setProperty("haiku", "secondary")
            column.addWidget(label)
        column.insertWidget(column.indexOf(self.caption), self.encode_button)
        self._show()

    def show_fields(
        self, values: Mapping[str, Mapping[str, int]], idle: Collection[str] = ()
    ) -> None:
        """Offer these fields; `idle` are those of them that mean nothing.

        Parameters
        ----------
        values : Mapping
            Field -> value -> number of the atlas's patients.
        idle : collection of str
            They come last and get a heading.
        """
        self.form.show_fields(values, idle)
        self._show()

    def start_from(self, record: Mapping[str, str]) -> None:
        """Put another slide's record in place, without edits."""
        self._folded = False
        self.record = RecordEdits(record)
        self._show()

    def fold(self, folded: bool) -> None:
        """Show the changed fields only, so that a long record leaves room for the answer."""
        self._folded = folded
        self._show()

    def set_field(self, field: str, value: str) -> None:
        """Choose a value of a field."""
        self._after(self.record.set(field, value))

    def set_edits(self, edits: Mapping[str, str]) -> None:
        """Make the record read as an earlier edit did, in one step."""
        self._after(self.record.replace(edits))

    def undo(self) -> None:
        """Take the last edit back."""
        self._after(self.record.undo())

    def redo(self) -> None:
        """Make the edit again that was taken back last."""
        self._after(self.record.redo())

    def reset(self) -> None:
        """Go back to the slide's record."""
        self._after(self.record.reset())

    def _after(self, changed: bool) -> None:
        if changed:
            self._show()
            self.edited.emit()

    def _show(self) -> None:
        self.form.show_record(self.record)
        fields = self.form.fields
        folded = self._folded and bool(self.record.edits) and len(fields) > _MOST_UNFOLDED
        self.form.show_only(self.record.edits if folded else None)
        self.unfold_button.setText(f"All {len(fields)} fields")
        self.unfold_button.setVisible(folded)
        self.undo_button.setEnabled(self.record.can_undo)
        self.redo_button.setEnabled(self.record.can_redo)
        self.reset_button.setEnabled(bool(self.record.edits))
        before, after = caption(self.record.baseline), caption(self.record.edited)
        self.caption.setText(f"Caption: {caption_html(before, after)}")
        self.caption.setVisible(bool(before))
        self.no_fields.setText(NO_FIELDS if self.record.baseline else NO_RECORD)
        for part in (self.no_fields, self.encode_button):
            part.setVisible(not self.form.fields)
