"""The answer to an edit: markers of one niche by effect, and all niches at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_haiku.viewer.counterfactual.placebo_words import (
    placebo_name,
    whole_edit_caution,
    whole_edit_sentence,
)
from napari_haiku.widgets.counterfactual.shift_chart import ShiftChart
from napari_haiku.widgets.frame.heat_map import HeatMap
from napari_haiku.widgets.frame.legend_bar import LegendBar
from napari_haiku.widgets.frame.short_combo import ShortCombo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_haiku.viewer.counterfactual.shift_maps import ShiftMaps


class ShiftAnswer(QWidget):
    """Chart, map of niches by markers, legend and remarks.

    Signals
    -------
    marker_chosen : (marker)
        A row or a cell was clicked; whoever listens shows the map and calls `mark`.
    """

    marker_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._maps: ShiftMaps | None = None
        self.cautions = _label("caution")
        self.key = _label("secondary")
        self.niche = ShortCombo()
        # A long name of a niche must not make the answer wider than the dock.
        self.niche.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.niche.setMinimumContentsLength(4)
        self.niche.setAccessibleName("Niche")
        self.niche.setToolTip("The niche the markers below are of.")
        self.niche.currentIndexChanged.connect(lambda _index: self._show_niche())
        self.chart = ShiftChart()
        self.chart.marker_chosen.connect(self.marker_chosen)
        self.cells = HeatMap()
        self.cells.cell_chosen.connect(self._on_cell)
        self.legend = LegendBar()
        self.remarks = _label("secondary")
        self._lay_out()
        self.hide()

    @property
    def maps(self) -> ShiftMaps | None:
        """What is shown."""
        return self._maps

    def show_maps(self, maps: ShiftMaps) -> None:
        """Show another answer; the niche stays where it is while there is something to see."""
        self._maps = maps
        result = maps.result
        cautions = " ".join(said for said in (whole_edit_caution(result), result.label) if said)
        self.cautions.setText(cautions)
        self.cautions.setVisible(bool(cautions))
        said = [whole_edit_sentence(result), result.inference, *result.notes]
        self.remarks.setText(" ".join(part for part in said if part))
        placebo = placebo_name(weak=result.weak_placebo)
        self.chart.placebo = placebo
        self.key.setText(
            f"{result.supported_sentence} Filled dot: supported, hollow: not. Line: 95 % "
            f"interval. Grey band: what {placebo} does."
        )
        current = self.niche.currentData()
        with signals_blocked(self.niche):
            self.niche.clear()
            for number, name in maps.niches.items():
                self.niche.addItem(name, number)
            counts = {n: sum(row.supported for row in maps.rows(n)) for n in maps.niches}
            if counts and (current not in counts or counts[current] == 0 < max(counts.values())):
                # Where there is most to see.
                current = max(counts, key=lambda number: counts[number])
            self.niche.setCurrentIndex(max(0, self.niche.findData(current)))
        self.cells.show_table(maps.cells(), maps.niches, "SD of the atlas")
        self._show_niche()
        self.show()

    def name_niches(self, names: Mapping[int, str]) -> None:
        """Call the niches by other names; nothing else changed."""
        for place in range(self.niche.count()):
            number = self.niche.itemData(place)
            self.niche.setItemText(place, names.get(number, self.niche.itemText(place)))
        self.cells.names.update({n: name for n, name in names.items() if n in self.cells.names})
        self.cells.update()
        self._name_niche()

    def clear(self) -> None:
        """Show nothing."""
        self._maps = None
        self.chart.choose(None)
        self.legend.show_legend(None)
        self.hide()

    def marker_for(self, wanted: str | None) -> str | None:
        """Choose a marker to open on.

        One that is supported in the niche: the row that was marked before, else
        the strongest. Where none is, the one wanted if it has a shift, else the
        strongest.
        """
        niche = self.niche.currentData()
        if self._maps is None or niche is None:
            return None
        strongest = self._maps.strongest(niche)
        supported = {row.marker for row in self._maps.rows(niche) if row.supported}
        if strongest in supported:
            return self.chart.chosen if self.chart.chosen in supported else strongest
        return wanted if wanted in self._maps.markers else strongest

    def mark(self, marker: str, *, stale: bool, limit: float | None = None) -> None:
        """Mark the marker whose map is on the canvas; `limit` where several maps share one."""
        if self._maps is None:
            return
        self.chart.choose(marker)
        self.cells.choose(self.niche.currentData(), marker)
        self.legend.show_legend(self._maps.legend(marker, limit=limit, stale=stale))

    def set_niche(self, niche: int) -> None:
        """Show the markers of another niche."""
        self.niche.setCurrentIndex(self.niche.findData(niche))

    def _name_niche(self) -> None:
        self.niche.setToolTip(f"{self.niche.currentText()}: the niche the markers below are of.")

    def _show_niche(self) -> None:
        niche = self.niche.currentData()
        self._name_niche()
        if self._maps is None or niche is None:
            return
        self.chart.show_rows(self._maps.rows(niche))
        if self.chart.chosen is not None:
            self.cells.choose(niche, self.chart.chosen)

    def _on_cell(self, niche: int, marker: str) -> None:
        self.set_niche(niche)
        if self._maps is not None and marker in self._maps.markers:
            self.marker_chosen.emit(marker)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.cautions)
        head = QHBoxLayout()
        head.addWidget(_label("heading", "Shift, SD of the atlas, in", wrap=False))
        head.addWidget(self.niche, 1)
        column.addLayout(head)
        column.addWidget(self.key)
        column.addWidget(self.chart)
        column.addWidget(_label("heading", "All niches"))
        key = "White dot: supported. Faint: within placebo. Click a cell to see its map."
        column.addWidget(_label("secondary", key))
        column.addWidget(self.cells)
        column.addWidget(self.legend)
        column.addWidget(self.remarks)


def _label(look: str, text: str = "", *, wrap: bool = True) -> QLabel:
    label = QLabel(text)
    label.setProperty("haiku", look)
    label.setWordWrap(wrap)
    return label
