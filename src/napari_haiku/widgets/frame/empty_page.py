"""What a dock shows before there is anything to work on: one sentence and what to do."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget


class EmptyPage(QWidget):
    """A centred sentence with one or two buttons."""

    open_wanted = Signal()
    sample_wanted = Signal()
    encode_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sentence = QLabel()
        self.sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.sentence.setWordWrap(True)
        self.open_button = QPushButton("Open slide...")
        self.open_button.setToolTip("Choose an H&E or mIF image file.")
        self.sample_button = QPushButton("Try the sample")
        self.sample_button.setProperty("haiku", "primary")
        self.sample_button.setToolTip("Open the virtual tumour slide and its atlas.")
        self.encode_button = QPushButton("Encode this slide")
        self.encode_button.setProperty("haiku", "primary")
        self.encode_button.setToolTip("Go to the Encode dock.")
        self.open_button.clicked.connect(lambda _checked=False: self.open_wanted.emit())
        self.sample_button.clicked.connect(lambda _checked=False: self.sample_wanted.emit())
        self.encode_button.clicked.connect(lambda _checked=False: self.encode_wanted.emit())
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        for button in (self.open_button, self.sample_button, self.encode_button):
            buttons.addWidget(button)
        buttons.addStretch(1)
        column = QVBoxLayout(self)
        column.addStretch(2)
        column.addWidget(self.sentence)
        column.addLayout(buttons)
        column.addStretch(3)
        self.show_no_slide()

    def show_no_slide(self) -> None:
        """There is no image yet."""
        self._show("Open a slide to start.", opening=True)

    def show_not_encoded(self) -> None:
        """There is a slide without a complete encoding."""
        self._show("This slide is not encoded yet.", opening=False)

    def wait(self, busy: object) -> None:
        """Take no second press while something is being opened."""
        for button in (self.open_button, self.sample_button):
            button.setEnabled(busy is None)

    def _show(self, sentence: str, *, opening: bool) -> None:
        self.sentence.setText(sentence)
        self.open_button.setVisible(opening)
        self.sample_button.setVisible(opening)
        self.encode_button.setVisible(not opening)
