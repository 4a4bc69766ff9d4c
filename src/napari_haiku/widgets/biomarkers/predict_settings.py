"""Settings of a prediction that one rarely touches."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QSpinBox, QWidget
from superqt import QCollapsible


class PredictSettings(QCollapsible):
    """Neighbours, and how much the record counts.

    Signals
    -------
    changed : ()
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("More", parent)
        self.toggleButton().setToolTip("Settings that one rarely touches.")
        self.neighbours = QSpinBox()
        self.neighbours.setRange(1, 500)
        self.neighbours.setValue(50)
        self.neighbours.setSuffix(" neighbours")
        self.neighbours.setToolTip("How many atlas patches each value is read from.")
        self.record_share = QDoubleSpinBox()
        self.record_share.setRange(0.0, 1.0)
        self.record_share.setSingleStep(0.05)
        self.record_share.setValue(0.2)
        self.record_share.setPrefix("record counts ")
        self.record_share.setToolTip("Share of the record in the question; H&E has the rest.")
        for box in (self.neighbours, self.record_share):
            box.setKeyboardTracking(False)
            box.valueChanged.connect(lambda _value: self.changed.emit())
            self.addWidget(box)
