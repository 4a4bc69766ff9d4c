"""How a slide is encoded: model, device, size of the patches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_haiku.model.base import TissueModel

DEFAULT_MODEL = "default"
_PATCH_TIP = "Side of one square of tissue."
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
        self._absent: list[tuple[str, str]] = []
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
        self.patch = _um_box(_PATCH_TIP)
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
        # The two with long words have a line of their own.
        cells: tuple[tuple[str, QWidget, int, int, int], ...] = (
            ("Model", self.model, 0, 0, 3),
            ("Device", self.device, 1, 0, 3),
            ("Patch size", self.patch, 2, 0, 1),
            ("Step", self.step, 2, 2, 1),
        )
        for name, widget, line, column, span in cells:
            label = QLabel(name)
            if column == 0:
                label.setFixedWidth(LABEL_WIDTH)
            widget.setAccessibleName(name)
            widget.setMinimumWidth(76)
            grid.addWidget(label, line, column)
            grid.addWidget(widget, line, column + 1, 1, span)
        grid.addWidget(self.why, 3, 0, 1, 4)
        self._fill()
        self.model.activated.connect(lambda _index: self._picked())
        self.device.activated.connect(lambda _index: self.model_changed.emit())
        self._typed: set[str] = set()
        for name, box in (("patch", self.patch), ("step", self.step)):
            box.valueChanged.connect(lambda _value, n=name: self._type(n))

    @property
    def model_name(self) -> str:
        """Name or folder of the model chosen."""
        return self._models[min(self.model.currentIndex(), len(self._models) - 1)]

    @property
    def device_name(self) -> str:
        """Device chosen, in the model's words."""
        return str(self.device.currentData())

    @property
    def patch_um(self) -> float | None:
        """Patch size as typed; None for the model's own."""
        return float(self.patch.value()) if "patch" in self._typed else None

    @property
    def step_um(self) -> float | None:
        """Step as typed; None for the model's own."""
        return float(self.step.value()) if "step" in self._typed else None

    def set_sizes(self, patch_um: float | None, step_um: float | None) -> None:
        """Take sizes that were typed at an earlier visit; None for the model's own."""
        for name, box, value in (
            ("patch", self.patch, patch_um),
            ("step", self.step, step_um),
        ):
            if value is not None:
                self._typed.add(name)
                with signals_blocked(box):
                    box.setValue(value)

    def _type(self, name: str) -> None:
        self._typed.add(name)
        self.geometry_changed.emit()

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

    def describe_model(self, model: TissueModel) -> None:
        """Show the name of the model that was loaded, where it works and what patches it reads."""
        index = self.model.currentIndex()
        suffix = " (included)" if self.model_name == DEFAULT_MODEL else ""
        self.model.setItemText(index, f"{model.name}{suffix}")
        device, why_not_gpu = model.device.label, model.device.why_not_gpu
        self.why.setText(f"{device}. No GPU: {why_not_gpu}." if why_not_gpu else f"{device}.")
        own = round(model.patch_um, 6)
        if not model.any_patch_size:
            self._typed.discard("patch")
        for name, box in (("patch", self.patch), ("step", self.step)):
            if name not in self._typed:
                with signals_blocked(box):
                    box.setDecimals(0 if abs(own - round(own)) < 0.005 else 2)
                    box.setValue(own)
        self.patch.setEnabled(model.any_patch_size)
        fixed = f" {model.name} reads patches of {own:g} µm only."
        self.patch.setToolTip(_PATCH_TIP + ("" if model.any_patch_size else fixed))

    def show_why_not(self, reasons: Mapping[str, str]) -> None:
        """Grey out devices that cannot be used, saying why."""
        items: Any = self.device.model()
        for index in range(self.device.count()):
            reason = reasons.get(str(self.device.itemData(index)))
            item = items.item(index)
            item.setEnabled(reason is None)
            item.setToolTip("" if reason is None else f"Cannot be used: {reason}.")

    def show_known_models(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """List the models known by name; those whose weights are not here are greyed."""
        self._absent = [
            (
                str(row["title"]),
                f"Its weights are not on this computer: run napari-haiku convert {row['name']}.",
            )
            for row in rows
            if not row["on_disk"] and row["name"] != DEFAULT_MODEL
        ]
        here = [str(row["name"]) for row in rows if row["on_disk"] and row["name"] != DEFAULT_MODEL]
        current = self.model_name
        self._models += [name for name in here if name not in self._models]
        text = self.model.itemText(self.model.currentIndex())
        self._fill(self._models.index(current))
        self.model.setItemText(self.model.currentIndex(), text)

    def _fill(self, current: int = 0) -> None:
        with signals_blocked(self.model):
            self.model.clear()
            for name in self._models:
                included = name == DEFAULT_MODEL
                self.model.addItem("Included model" if included else Path(name).name)
            self.model.addItem(_CHOOSE)
            items: Any = self.model.model()
            for title, why in self._absent:
                self.model.addItem(title)
                item = items.item(self.model.count() - 1)
                item.setEnabled(False)
                item.setToolTip(why)
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


def what_is_known() -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Tell why devices cannot be used, and which models there are; it reads disk."""
    from napari_haiku.model.devices import why_not
    from napari_haiku.model.presets import list_models

    return why_not(), list_models()
