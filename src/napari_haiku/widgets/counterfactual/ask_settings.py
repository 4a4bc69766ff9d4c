"""Settings of a counterfactual that one rarely touches."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QSpinBox, QWidget
from superqt import QCollapsible


class AskSettings(QCollapsible):
    """Show on change, neighbours, seed.

    Signals
    -------
    changed : ()
        Neighbours or seed are others now.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("More", parent)
        self.live = QCheckBox("Show when I change a field")
        self.live.setChecked(True)
        self.live.setToolTip("Off: waits for Show shift. It also waits where an answer takes 5 s.")
        self.neighbours = QSpinBox()
        self.neighbours.setRange(1, 500)
        self.neighbours.setValue(50)
        self.neighbours.setSuffix(" neighbours")
        self.neighbours.setToolTip("How many atlas patches each value is read from.")
        self.seed = QSpinBox()
        self.seed.setRange(0, 999_999)
        self.seed.setPrefix("seed ")
        self.seed.setToolTip("The same seed gives the same intervals.")
        self.toggleButton().setToolTip("Settings that one rarely touches.")
        self.addWidget(self.live)
        for box in (self.neighbours, self.seed):
            box.setKeyboardTracking(False)
            box.valueChanged.connect(lambda _value: self.changed.emit())
            self.addWidget(box)
