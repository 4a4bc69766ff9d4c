"""How much each part of a question counts: one slider per part at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QSlider, QWidget
from superqt.utils import signals_blocked

from napari_haiku.widgets.frame.appearance import LABEL_WIDTH

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS = {"he": "H&E", "mif": "mIF", "text": "Record"}
_STEPS = 20
_SETTLE_MS = 150


class WeightSliders(QWidget):
    """Sliders from 0 to 1; :attr:`moved` at every step, :attr:`changed` once they rest."""

    changed = Signal()
    moved = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sliders: dict[str, QSlider] = {}
        self._numbers: dict[str, QLabel] = {}
        self._labels: dict[str, QLabel] = {}
        self._parts: set[str] = set()
        self._remembered: dict[str, float] = {}
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self.changed)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(3)
        tip = "Drag to re-rank; the shares are scaled to add up to 1."
        for line, (part, word) in enumerate(WORDS.items()):
            label, number = QLabel(word), QLabel()
            label.setFixedWidth(LABEL_WIDTH)
            number.setFixedWidth(26)
            number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            slider = QSlider(Qt.Orientation.Horizontal)
            slider.setRange(0, _STEPS)
            slider.setToolTip(tip)
            slider.setAccessibleName(f"Weight of {word}")
            slider.valueChanged.connect(lambda _value, name=part: self._moved(name))
            grid.addWidget(label, line, 0)
            grid.addWidget(slider, line, 1)
            grid.addWidget(number, line, 2)
            self._labels[part], self._sliders[part], self._numbers[part] = label, slider, number

    def offer(self, weights: Mapping[str, float]) -> None:
        """Offer just these parts, without emitting: at these shares, or at those remembered."""
        if set(self._remembered) == set(weights):
            weights = self._remembered
        self._remembered = {}
        self._parts = set(weights)
        for part, slider in self._sliders.items():
            there = part in weights
            for widget in (slider, self._labels[part], self._numbers[part]):
                widget.setVisible(there)
            with signals_blocked(slider):
                slider.setValue(round(weights.get(part, 0.0) * _STEPS))
            self._write(part)

    def remember(self, weights: Mapping[str, float]) -> None:
        """Take shares of an earlier visit, now or once the same parts are offered."""
        self._remembered = {str(part): float(share) for part, share in weights.items()}
        if self._parts and set(self._remembered) == self._parts:
            self.offer(self._remembered)

    def name_text(self, word: str) -> None:
        """Call the text part "Record" or "Words"."""
        self._labels["text"].setText(word)

    def weights(self) -> dict[str, float]:
        """Part -> share as dragged; they need not add up to 1."""
        return {
            part: slider.value() / _STEPS
            for part, slider in self._sliders.items()
            if part in self._parts
        }

    def slider(self, part: str) -> QSlider:
        """Give the slider of a part."""
        return self._sliders[part]

    def _moved(self, part: str) -> None:
        self._write(part)
        self._settle.start()
        self.moved.emit()

    def _write(self, part: str) -> None:
        self._numbers[part].setText(f"{self._sliders[part].value() / _STEPS:.2g}")
