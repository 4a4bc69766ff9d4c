"""Kept edits: choose one, keep this one, compare up to three."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QWidget
from superqt.utils import signals_blocked

if TYPE_CHECKING:
    from collections.abc import Sequence

_LABEL_WIDTH = 62
NOT_KEPT = "this edit, not kept"
_NAME = Qt.ItemDataRole.UserRole


class ScenarioBar(QWidget):
    """One line of controls.

    Signals
    -------
    chosen : (name)
        A kept scenario was chosen.
    renamed : (name, new name)
        The name of the one in view was changed.
    keep_wanted, forget_wanted : ()
    compare_wanted : (bool)
    """

    chosen = Signal(str)
    renamed = Signal(str, str)
    keep_wanted = Signal()
    forget_wanted = Signal()
    compare_wanted = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        label = QLabel("Scenario")
        label.setFixedWidth(_LABEL_WIDTH)
        self.names = QComboBox()
        self.names.setAccessibleName("Scenario")
        self.names.setToolTip(
            "Edits that were kept; choose one to see it again. Type over the name to call it "
            "otherwise."
        )
        self.names.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.names.setMinimumContentsLength(3)
        self.names.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.keep = _small("Keep", "Keep this edit and its answer, to come back to and to compare.")
        self.forget = _small("Forget", "Take the scenario in view off the list.")
        self.compare = _small("Compare", "Up to three scenarios side by side, same limits.")
        self.compare.setCheckable(True)
        self.compare.setProperty("haiku", "chip")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(label)
        row.addWidget(self.names, 1)
        for button in (self.keep, self.forget, self.compare):
            row.addWidget(button)
        self.names.activated.connect(self._on_activated)
        self.keep.clicked.connect(lambda _checked=False: self.keep_wanted.emit())
        self.forget.clicked.connect(lambda _checked=False: self.forget_wanted.emit())
        self.compare.toggled.connect(self.compare_wanted)
        self.show_names((), None, answered=False, comparable=0)

    @property
    def current(self) -> str | None:
        """Name of the scenario in view; None where it is not kept."""
        name: str | None = self.names.currentData(_NAME)
        return name

    def show_names(
        self, names: Sequence[str], current: str | None, *, answered: bool, comparable: int
    ) -> None:
        """Show what was kept.

        Parameters
        ----------
        names : sequence of str
            Kept scenarios, oldest first.
        current : str or None
            The one in view; None: an edit that is not kept.
        answered : bool
            Whether the edit in view has an answer that could be kept.
        comparable : int
            How many scenarios could be compared now.
        """
        with signals_blocked(self.names):
            self.names.clear()
            for name in names:
                self.names.addItem(name, name)
            if current is None:
                self.names.addItem(NOT_KEPT if answered else "none kept yet", None)
            self._let_rename(current is not None)
            place = self.names.findData(current, _NAME)
            self.names.setCurrentIndex(place if current is not None else self.names.count() - 1)
        self.names.setEnabled(bool(names))
        self.keep.setEnabled(answered and current is None)
        self.forget.setEnabled(current is not None)
        # Only what can be asked of the edit in view: the names need the room.
        self.keep.setVisible(current is None)
        self.forget.setVisible(current is not None)
        self.compare.setVisible(bool(names))
        self.compare.setEnabled(comparable > 1 or self.compare.isChecked())
        self.compare.setToolTip(
            "Up to three scenarios side by side, same limits."
            if comparable > 1
            else "Keep at least two edits first: change a field, show the shift, keep it."
        )

    def leave_comparing(self) -> None:
        """Show one scenario again, without telling anybody."""
        with signals_blocked(self.compare):
            self.compare.setChecked(False)

    def _let_rename(self, kept: bool) -> None:
        # An edit that is not kept has no name yet.
        if self.names.isEditable() == kept:
            return
        self.names.setEditable(kept)
        line = self.names.lineEdit()
        if line is not None:
            line.setAccessibleName("Name of the scenario")
            self.names.setCompleter(None)
            line.editingFinished.connect(self._on_typed)

    def _on_typed(self) -> None:
        name, typed = self.current, self.names.currentText().strip()
        if name is None or typed == name:
            return
        if typed:
            self.renamed.emit(name, typed)
        else:
            self.names.setEditText(name)

    def _on_activated(self, index: int) -> None:
        name = self.names.itemData(index, _NAME)
        if name is not None:
            self.chosen.emit(str(name))


def _small(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setProperty("haiku", "small")
    button.setToolTip(tooltip)
    # A style's own least width must not make the line wider than the dock.
    button.setMinimumWidth(button.fontMetrics().horizontalAdvance(text) + 18)
    return button
