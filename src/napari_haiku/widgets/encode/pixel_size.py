"""One image's pixel size: shown with where it comes from, asked for where it is missing."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QWidget
from superqt import QElidingLabel

from napari_haiku.widgets.frame.restyling import set_look

MISSING = (
    "This file does not say how large a pixel is. "
    "Type it in um; 0.25 is a 40x scan, 0.5 a 20x scan."
)
_TOOLTIP = (
    "Width of one pixel. If the file does not say, read it off the scanner's report: "
    "0.25 is a 40x, 0.5 a 20x scan."
)


class PixelSize(QWidget):
    """A number in um with a remark; red while it is missing."""

    typed = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box = QDoubleSpinBox()
        self.box.setRange(0.0, 20.0)
        self.box.setDecimals(3)
        self.box.setSingleStep(0.05)
        self.box.setSuffix(" µm")
        self.box.setSpecialValueText("?")
        self.box.setKeyboardTracking(False)
        self.box.setFixedWidth(128)
        self.box.setToolTip(_TOOLTIP)
        self.source = QElidingLabel()
        self.source.setProperty("haiku", "secondary")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.box)
        row.addWidget(self.source, 1)
        self.box.valueChanged.connect(self._changed)

    def show_size(self, pixel_size_um: float | None, source: str) -> None:
        """Show a pixel size (None: missing) and where it comes from."""
        self.box.blockSignals(True)
        self.box.setValue(pixel_size_um or 0.0)
        self.box.blockSignals(False)
        self.source.setText(source)
        self.source.setToolTip(source)
        set_look(self.box, "missing", pixel_size_um is None)

    def _changed(self, value: float) -> None:
        if value > 0:
            self.typed.emit(float(value))
