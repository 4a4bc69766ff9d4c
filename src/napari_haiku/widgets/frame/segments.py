"""A row of joined buttons of which one is pressed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QWidget

if TYPE_CHECKING:
    from collections.abc import Mapping

_PADDING = 7


class Segments(QWidget):
    """Choose one of a few.

    Parameters
    ----------
    choices : Mapping
        Label (str) -> tooltip, left to right; the first is pressed.
    """

    chosen = Signal(str)

    def __init__(self, choices: Mapping[Any, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self.buttons: dict[str, QPushButton] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(1)
        for label, tooltip in choices.items():
            # Qt reads a single ampersand as a mnemonic.
            button = QPushButton(label.replace("&", "&&"))
            button.setCheckable(True)
            button.setProperty("haiku", "segment")
            button.setToolTip(tooltip)
            button.clicked.connect(lambda _checked=False, name=label: self.chosen.emit(name))
            self._group.addButton(button)
            self.buttons[label] = button
            # A style sheet's padding must not make the row wider than the dock.
            button.setMinimumWidth(button.fontMetrics().horizontalAdvance(label) + 2 * _PADDING)
            # Each as wide as its words ask: of equal widths the longest would be cut.
            row.addWidget(button, button.minimumWidth())
        next(iter(self.buttons.values())).setChecked(True)

    @property
    def choice(self) -> str:
        """Label of the pressed button."""
        return next(label for label, button in self.buttons.items() if button.isChecked())

    def set_choice(self, label: str) -> None:
        """Press a button without emitting ``chosen``."""
        self.buttons[label].setChecked(True)

    def set_enabled(self, label: str, enabled: bool, why_not: str = "") -> None:
        """Offer a choice or grey it out, saying why."""
        button = self.buttons[label]
        button.setEnabled(enabled)
        if why_not:
            button.setToolTip(why_not)
