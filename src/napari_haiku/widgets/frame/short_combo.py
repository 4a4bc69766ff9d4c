"""A combo box whose closed box says its choice shorter where it does not fit."""

from __future__ import annotations

import re
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter

_COUNT = re.compile(r"\((\d[\d,]*) \w+\)$")
# The label is drawn a little inside its field.
_INSET = 6


class ShortCombo(QComboBox):
    """Says "Female (23 patients)", else "Female (23)", else "Fema..."; the list says it whole."""

    def shown_text(self, room: int) -> str:
        """Text of the closed box in so many pixels."""
        metrics, text = self.fontMetrics(), self.currentText()
        for said in (text, _COUNT.sub(r"(\1)", text)):
            if metrics.horizontalAdvance(said) <= room:
                return said
        return metrics.elidedText(said, Qt.TextElideMode.ElideRight, room)

    def paintEvent(self, event: Any) -> None:
        """Paint the box as its style does, with the text that fits."""
        if self.isEditable():
            super().paintEvent(event)
            return
        painter, option, style = QStylePainter(self), QStyleOptionComboBox(), self.style()
        self.initStyleOption(option)
        if style is not None:
            field = style.subControlRect(
                QStyle.ComplexControl.CC_ComboBox,
                option,
                QStyle.SubControl.SC_ComboBoxEditField,
                self,
            )
            option.currentText = self.shown_text(field.width() - _INSET)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()
