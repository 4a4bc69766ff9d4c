"""Filters on the hits as chips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QPushButton, QWidget
from superqt import QFlowLayout

from napari_haiku.clinical import field_label

if TYPE_CHECKING:
    from collections.abc import Mapping

OTHER_PATIENTS = "other patients only"
_GAP_UM = 500.0
_CLOSE = "\N{MULTIPLICATION SIGN}"


class FilterChips(QWidget):
    """The patient chip, one chip per filter, and "+ filter".

    Emits :attr:`within_wanted` with a distance or None, and
    :attr:`filters_changed` when a filter came or went.
    """

    within_wanted = Signal(object)
    filters_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._filters: dict[str, str] = {}
        self._within: float | None = None
        self._row = QFlowLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self.patient = QPushButton(OTHER_PATIENTS)
        self.patient.setProperty("haiku", "chip")
        self.patient.clicked.connect(lambda _checked=False: self._toggle())
        self.add = QPushButton("+ filter")
        self.add.setProperty("haiku", "chip")
        self.add.setToolTip("Only hits that fit all chips.")
        self._menu = QMenu(self.add)
        self.add.setMenu(self._menu)
        self._chips: list[QPushButton] = []
        self._row.addWidget(self.patient)
        self._row.addWidget(self.add)
        self.show_within(None)

    @property
    def filters(self) -> dict[str, str]:
        """Clinical field -> value."""
        return dict(self._filters)

    def show_within(self, within_um: float | None) -> None:
        """Show whether the same patient may answer."""
        self._within = within_um
        if within_um is None:
            self.patient.setText(OTHER_PATIENTS)
            self.patient.setToolTip(
                "The slide's own patient is left out. Click to let the same patient answer from "
                f"tissue at least {_GAP_UM:.0f} µm away."
            )
        else:
            self.patient.setText(f"this slide: {within_um:.0f} µm away or more")
            self.patient.setToolTip(
                "The same patient may answer: not a test on a new patient. Click to go back to "
                "other patients only."
            )

    def offer(self, values: Mapping[str, Mapping[str, int]]) -> None:
        """Offer filters: field -> value -> number of patients."""
        self._menu.clear()
        for field, counts in values.items():
            submenu = QMenu(field_label(field), self._menu)
            self._menu.addMenu(submenu)
            for value, patients in counts.items():
                word = "patient" if patients == 1 else "patients"
                action = QAction(f"{value} ({patients} {word})", submenu)
                submenu.addAction(action)
                action.triggered.connect(
                    lambda _checked=False, f=field, v=value: self.set_filter(f, v)
                )
        self.add.setEnabled(bool(values))
        for field in [field for field in self._filters if field not in values]:
            del self._filters[field]
        self._draw()

    def set_filter(self, field: str, value: str | None) -> None:
        """Add, change or (None) remove a filter."""
        if value is None:
            self._filters.pop(field, None)
        else:
            self._filters[field] = value
        self._draw()
        self.filters_changed.emit()

    def clear(self) -> None:
        """Remove every filter without telling anybody."""
        self._filters.clear()
        self._draw()

    def remove_last(self) -> None:
        """Remove the filter that came last."""
        if self._filters:
            self.set_filter(next(reversed(self._filters)), None)

    def _toggle(self) -> None:
        self.within_wanted.emit(_GAP_UM if self._within is None else None)

    def _draw(self) -> None:
        for chip in self._chips:
            self._row.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        self._chips = []
        self._row.removeWidget(self.add)
        for field, value in self._filters.items():
            chip = QPushButton(f"{field_label(field)}: {value}  {_CLOSE}")
            chip.setProperty("haiku", "chip")
            chip.setToolTip("Click to remove this filter.")
            chip.clicked.connect(lambda _checked=False, f=field: self.set_filter(f, None))
            self._chips.append(chip)
            self._row.addWidget(chip)
        self._row.addWidget(self.add)
