"""How marker maps are drawn: which, with what limits, with how much doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)
from superqt import QFlowLayout
from superqt.utils import signals_blocked

from napari_haiku.viewer.biomarkers.marker_maps import MapSettings
from napari_haiku.widgets.frame.segments import Segments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_haiku.viewer.biomarkers.marker_limits import LimitsRule
    from napari_haiku.viewer.biomarkers.marker_maps import Show

_RULES: dict[str, LimitsRule] = {
    "2nd to 99th %": "percentile",
    "Full range": "full",
    "Fixed...": "fixed",
}
_SHOWS: dict[Show, str] = {
    "Predicted": "The map read off the atlas.",
    "Measured": "What was measured on this slide.",
    "Both": "Both puts them side by side, same colours.",
    "Difference": "Predicted minus measured: orange is too high, blue too low.",
}
_NOT_MEASURED = "This marker was not measured on this slide."
_LABEL_WIDTH = 48
_LARGEST = 1e9


class MapSettingsForm(QWidget):
    """Controls whose change redraws the map and never makes it stale."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._wanted: Show = "Predicted"
        # Until somebody chooses, measured slides show both maps by themselves.
        self.chosen_by_hand = False
        self.show_choice = Segments(_SHOWS)
        self.rule = QComboBox()
        self.rule.addItems(list(_RULES))
        self.rule.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.rule.setMinimumContentsLength(6)
        self.rule.setToolTip("The values at both ends of the colour bar.")
        self.rule.setAccessibleName("Limits")
        self.same = QCheckBox("same on all slides")
        self.same.setChecked(True)
        self.same.setToolTip(
            "Read the limits off the atlas, so that colours compare across slides."
        )
        self.low, self.high = QDoubleSpinBox(), QDoubleSpinBox()
        for box, name in ((self.low, "Lower limit"), (self.high, "Upper limit")):
            box.setRange(-_LARGEST, _LARGEST)
            box.setDecimals(2)
            box.setAccessibleName(name)
            box.setToolTip(name + " of the colour bar, in the atlas's units.")
            box.setKeyboardTracking(False)
        self.high.setValue(1.0)
        self.grey = QCheckBox("Grey where neighbours disagree")
        self.grey.setToolTip("Greyer = the atlas patches behind this value differ.")
        self.hatch = QCheckBox("Hatch unknown tissue")
        self.hatch.setToolTip("Nothing in the atlas looks like this, so no value is shown.")
        for check in (self.grey, self.hatch):
            check.setChecked(True)
        self._lay_out()
        self.show_choice.chosen.connect(self._on_show)
        self.rule.currentIndexChanged.connect(lambda _index: self._on_rule())
        for box in (self.low, self.high):
            box.valueChanged.connect(lambda _value: self.changed.emit())
        for check in (self.same, self.grey, self.hatch):
            check.toggled.connect(lambda _on: self.changed.emit())

    @property
    def settings(self) -> MapSettings:
        """What the controls say."""
        return MapSettings(
            show=self._wanted,
            rule=_RULES[self.rule.currentText()],
            fixed=(self.low.value(), self.high.value()),
            same_on_all=self.same.isChecked(),
            grey=self.grey.isChecked(),
            hatch=self.hatch.isChecked(),
        )

    def state(self) -> dict[str, Any]:
        """Give what is to be kept between two visits."""
        return {
            "show": self._wanted if self.chosen_by_hand else None,
            "limits": self.rule.currentText(),
            "fixed": [self.low.value(), self.high.value()],
            "same": self.same.isChecked(),
            "grey": self.grey.isChecked(),
            "hatch": self.hatch.isChecked(),
        }

    def take(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`state` gave; emits nothing."""
        blocked = (self.rule, self.low, self.high, self.same, self.grey, self.hatch)
        for control in blocked:
            control.blockSignals(True)
        for show in _SHOWS:
            if show == state.get("show"):
                self._wanted, self.chosen_by_hand = show, True
        place = self.rule.findText(str(state.get("limits", "")))
        if place >= 0:
            self.rule.setCurrentIndex(place)
        low, high = state.get("fixed") or (self.low.value(), self.high.value())
        self.low.setValue(float(low))
        self.high.setValue(float(high))
        for check, key in ((self.same, "same"), (self.grey, "grey"), (self.hatch, "hatch")):
            check.setChecked(bool(state.get(key, check.isChecked())))
        for control in blocked:
            control.blockSignals(False)
        self._show_rule()

    def want(self, show: Show) -> None:
        """Choose which maps are shown; markers without a measurement show the prediction."""
        self._wanted = show

    def offer(self, *, measured: bool) -> None:
        """Offer what the current marker can show."""
        for label, tooltip in _SHOWS.items():
            possible = measured or label == "Predicted"
            self.show_choice.set_enabled(label, possible, tooltip if possible else _NOT_MEASURED)
        self.show_choice.set_choice(self._wanted if measured else "Predicted")

    def propose_fixed(self, limits: tuple[float, float]) -> None:
        """Fill the fixed limits from the ones in force."""
        with signals_blocked(self.low), signals_blocked(self.high):
            self.low.setValue(limits[0])
            self.high.setValue(limits[1])

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(_line("Show", self.show_choice))
        column.addLayout(_line("Limits", self.rule, self.same))
        self._fixed = QWidget()
        fixed = _line("", self.low, self.high)
        fixed.setContentsMargins(0, 0, 0, 0)
        self._fixed.setLayout(fixed)
        self._fixed.hide()
        column.addWidget(self._fixed)
        # Side by side where the font allows it.
        checks = QFlowLayout()
        checks.setContentsMargins(0, 0, 0, 0)
        checks.addWidget(self.grey)
        checks.addWidget(self.hatch)
        column.addLayout(checks)

    def _on_show(self, label: str) -> None:
        for show in _SHOWS:
            if show == label:
                self._wanted, self.chosen_by_hand = show, True
        self.changed.emit()

    def _on_rule(self) -> None:
        self._show_rule()
        self.changed.emit()

    def _show_rule(self) -> None:
        fixed = _RULES[self.rule.currentText()] == "fixed"
        self._fixed.setVisible(fixed)
        self.same.setEnabled(not fixed)


def _line(text: str, *widgets: QWidget) -> QHBoxLayout:
    line = QHBoxLayout()
    line.setSpacing(6)
    label = QLabel(text)
    label.setFixedWidth(_LABEL_WIDTH)
    line.addWidget(label)
    for place, widget in enumerate(widgets):
        line.addWidget(widget, 1 if place == 0 else 0)
    return line
