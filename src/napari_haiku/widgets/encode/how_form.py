"""How a slide is encoded: model, device, size of the patches."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_haiku.widgets.frame.appearance import LABEL_WIDTH

DEFAULT_MODEL = "default"
_CHOOSE = "Other model folder..."
_DEVICES = (("auto", "Best"), ("cuda", "NVIDIA GPU"), ("mps", "Apple GPU"), ("cpu", "CPU"))


class HowForm(QWidget):
    """Model, device, patch size and step.

    Emits :attr:`model_changed` when the model or the device is another,
    :attr:`geometry_changed` when the patches are.
    """

    model_changed = Signal()
    geometry_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._models: list[str] = [DEFAULT_MODEL]
        self.model = QComboBox()
        self.model.setToolTip("Turns each patch into a description that can be compared.")
        self.model.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.model.setMinimumContentsLength(8)
        self.device = QComboBox()
        self.device.setToolTip("Where the work is done.")
        self.device.setMinimumContentsLength(4)
        self.device.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        for name, words in _DEVICES:
            self.device.addItem(words, name)
        self.patch = _um_box("Side of one square of tissue.")
        self.step = _um_box("Distance from one patch to the next; smaller is finer and slower.")
        self.why = QLabel()
        self.why.setProperty("haiku", "secondary")
        self.why.setWordWrap(True)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(5)
        grid.setColumnStretch(1, 3)
        grid.setColumnStretch(3, 2)
        cells: tuple[tuple[str, QWidget, int, int], ...] = (
            ("Model", self.model, 0, 0),
            ("Device", self.device, 0, 2),
            ("Patch size", self.patch, 1, 0),
            ("Step", self.step, 1, 2),
        )
        for name, widget, line, column in cells:
            label = QLabel(name)
            if column == 0:
                label.setFixedWidth(LABEL_WIDTH)
            widget.setAccessibleName(name)
            widget.setMinimumWidth(76)
            grid.addWidget(label, line, column)
            grid.addWidget(widget, line, column + 1)
        grid.addWidget(self.why, 2, 0, 1, 4)
        self._fill()
        self.model.activated.connect(lambda _index: self._picked())
        self.device.activated.connect(lambda _index: self.model_changed.emit())
        for box in (self.patch, self.step):
            box.valueChanged.connect(lambda _value: self.geometry_changed.emit())

    @property
    def model_name(self) -> str:
        """Name or folder of the model chosen."""
        return self._models[min(self.model.currentIndex(), len(self._models) - 1)]

    @property
    def device_name(self) -> str:
        """Device chosen, in the model's words."""
        return str(self.device.currentData())

    def set_device(self, name: str) -> None:
        """Choose a device without emitting."""
        with signals_blocked(self.device):
            self.device.setCurrentIndex(max(self.device.findData(name), 0))

    def add_model(self, name: str) -> None:
        """Offer a model folder and choose it."""
        if name not in self._models:
            self._models.append(name)
        self._fill(self._models.index(name))
        self.model_changed.emit()

    def describe_model(self, label: str, device: str, why_not_gpu: str | None) -> None:
        """Show the name of the model that was loaded and where it works."""
        index = self.model.currentIndex()
        suffix = " (included)" if self.model_name == DEFAULT_MODEL else ""
        self.model.setItemText(index, f"{label}{suffix}")
        self.why.setText(f"{device}. No GPU: {why_not_gpu}." if why_not_gpu else f"{device}.")

    def _fill(self, current: int = 0) -> None:
        with signals_blocked(self.model):
            self.model.clear()
            for name in self._models:
                included = name == DEFAULT_MODEL
                self.model.addItem("Included model" if included else Path(name).name)
            self.model.addItem(_CHOOSE)
            self.model.setCurrentIndex(current)

    def _picked(self) -> None:
        if self.model.currentText() != _CHOOSE:
            self.model_changed.emit()
            return
        chosen = QFileDialog.getExistingDirectory(self, "Model folder")
        if chosen:
            self.add_model(chosen)
        else:
            self._fill()


def _um_box(tooltip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(10.0, 2000.0)
    box.setDecimals(0)
    box.setSingleStep(10.0)
    box.setSuffix(" µm")
    box.setValue(100.0)
    box.setKeyboardTracking(False)
    box.setMinimumWidth(76)
    box.setToolTip(tooltip)
    return box
