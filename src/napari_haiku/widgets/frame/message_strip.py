"""The one place in a dock where it speaks: a coloured strip with a sentence and buttons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QFlowLayout

from napari_haiku.widgets.frame.restyling import set_look

State = Literal["done", "running", "caution", "failed"]
Action = tuple[str, Callable[[], object]]


class MessageStrip(QFrame):
    """A sentence, green when done, blue while running, amber for care, red when failed.

    The state is also named in words to screen readers. An empty strip is hidden.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("haiku", "strip")
        self.setObjectName("haiku-strip")
        self.state: State | None = None
        self._key = ""
        self._kept: tuple[str, str, Sequence[Action]] | None = None
        self._label = QLabel()
        self._label.setWordWrap(True)
        self._label.setTextFormat(Qt.TextFormat.RichText)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(6)
        self._button_box = QWidget()
        self._buttons = QFlowLayout(self._button_box)
        self._buttons.setContentsMargins(0, 0, 0, 0)
        self._shown_buttons: list[QPushButton] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 5, 8, 5)
        column.setSpacing(4)
        column.addWidget(self._label)
        column.addWidget(self._bar)
        column.addWidget(self._button_box)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.clear()

    @property
    def text(self) -> str:
        """The sentence on show, without mark-up; empty when hidden."""
        return self._plain

    @property
    def buttons(self) -> list[QPushButton]:
        """Buttons on show, left to right."""
        return list(self._shown_buttons)

    def say(
        self,
        state: State,
        text: str,
        *,
        bold: str = "",
        actions: Sequence[Action] = (),
        details: str | None = None,
        key: str = "",
    ) -> None:
        """Show a sentence.

        Parameters
        ----------
        state : {"done", "running", "caution", "failed"}
            Colour and meaning.
        text : str
            The sentence, plain text.
        bold : str
            Opening words set in bold.
        actions : sequence of (label, slot)
            Buttons under the sentence.
        details : str, optional
            Report that a Details button copies to the clipboard.
        key : str
            Name under which :meth:`clear` can withdraw just this message.
        """
        self._key = key
        self._kept = (text, bold, actions) if state == "done" else None
        self._write(state, bold, text)
        self._bar.hide()
        self._set_buttons(actions)
        if details is not None:
            self._add_button("Details", lambda: _copy(details))
        self.show()

    def show_progress(
        self, doing: str, text: str, done: int, total: int, cancel: Callable[[], object]
    ) -> None:
        """Show a running job with its bar and a Cancel button."""
        self._write("running", doing, text)
        self._key = "progress"
        self._bar.setRange(0, total if total > 1 else 0)
        self._bar.setValue(done)
        self._bar.show()
        if [button.text() for button in self.buttons] != ["Cancel"]:
            self._set_buttons([("Cancel", cancel)])
        self.show()

    def clear(self, key: str | None = None) -> None:
        """Hide the strip; with `key` only if it shows the message of that name."""
        if key is not None and key != self._key:
            return
        if key == "progress" and self._kept is not None:
            # Good news outlives the next small job; anything else would be out of date.
            text, bold, actions = self._kept
            self.say("done", text, bold=bold, actions=actions)
            return
        self._kept = None
        self.state = None
        self._plain = ""
        self._key = ""
        self._label.clear()
        self._set_buttons(())
        self._bar.hide()
        self.hide()

    def _write(self, state: State, bold: str, text: str) -> None:
        self._plain = " ".join(part for part in (bold, text) if part)
        head = f"<b>{_escaped(bold)}</b> " if bold else ""
        self._label.setText(head + _escaped(text))
        if state != self.state:
            self.state = state
            self.setAccessibleName(state)
            set_look(self, "state", state)

    def _set_buttons(self, actions: Sequence[Action]) -> None:
        for button in self._shown_buttons:
            self._buttons.removeWidget(button)
            button.hide()
            button.deleteLater()
        self._shown_buttons = []
        self._button_box.setVisible(bool(actions))
        for label, slot in actions:
            self._add_button(label, slot)

    def _add_button(self, label: str, slot: Callable[[], object]) -> None:
        button = QPushButton(label)
        button.clicked.connect(lambda _checked=False: slot())
        self._buttons.addWidget(button)
        self._shown_buttons.append(button)
        self._button_box.setVisible(True)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _copy(text: str) -> None:
    clipboard = QApplication.clipboard()
    if clipboard is not None:
        clipboard.setText(text)
