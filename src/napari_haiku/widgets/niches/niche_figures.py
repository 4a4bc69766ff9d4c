"""What stands out in each niche: markers as a heat map, and which niches touch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_haiku.viewer.layers.heat_cells import heat_table
from napari_haiku.widgets.frame.heat_map import HeatMap
from napari_haiku.widgets.frame.segments import Segments
from napari_haiku.widgets.niches.contact_graph import ContactGraph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.analysis.niches.niches import NicheResult
    from napari_haiku.viewer.niches.contacts import Contact

MARKERS, NEIGHBOURS = "Markers", "Neighbours"
_BEFORE = " (before the change)"
_CAUTION = (
    "Neighbouring patches are not independent: this describes this tissue and is no evidence "
    "beyond it."
)
_TOUCH = (
    "Line: how often two niches touch. Orange more, blue less than niches scattered over the same "
    "patches; faint: no more than chance."
)


class NicheFigures(QWidget):
    """Two views of the niches under one heading.

    Signals
    -------
    cell_chosen : (niche, marker)
    niche_chosen : (niche)
    neighbours_wanted : ()
        The contacts are to be shown and are not there yet.
    """

    cell_chosen = Signal(object, str)
    niche_chosen = Signal(int)
    neighbours_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names: dict[int, str] = {}
        self._known = self._counted = False
        self.title = QLabel("Per niche")
        self.title.setProperty("haiku", "heading")
        self.view = Segments(
            {
                MARKERS: "How much more of each marker a niche carries than the rest.",
                NEIGHBOURS: "Which niches lie beside each other more often than by chance.",
            }
        )
        self.heat = HeatMap()
        self.heat.setToolTip("Click a cell to see that marker in that niche.")
        self.graph = ContactGraph()
        self.caution = QLabel(_CAUTION)
        self.caution.setWordWrap(True)
        self.caution.setProperty("haiku", "secondary")
        head = QHBoxLayout()
        head.setContentsMargins(0, 4, 0, 0)
        head.addWidget(self.title, 1)
        head.addWidget(self.view)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(head)
        column.addWidget(self.heat)
        column.addWidget(self.graph)
        column.addWidget(self.caution)
        self.view.chosen.connect(lambda _name: self._turn())
        self.heat.cell_chosen.connect(self.cell_chosen)
        self.graph.niche_chosen.connect(self.niche_chosen)
        self.clear()

    def show_niches(self, result: NicheResult, *, stale: bool) -> None:
        """Show the figures of these niches; stale ones say so."""
        self._names = dict(result.names)
        self._known, self._counted = len(result.enrichment) > 0, False
        self.show()
        self.title.setText(f"Per niche{_BEFORE}" if stale else "Per niche")
        if self._known:
            table = result.enrichment
            present = tuple(n for n in result.niches if (table["niche"] == n).any())
            self.heat.show_table(
                heat_table(
                    table,
                    "effect",
                    niches=present,
                    unit="SD",
                    hints=(("mean", "mean here"), ("mean_rest", "elsewhere"), ("q", "q")),
                ),
                dict(result.names),
                "SD (Cohen's d), against the rest",
            )
        self._turn()

    def show_contacts(self, contacts: Sequence[Contact]) -> None:
        """Show which niches touch."""
        self._counted = True
        self.graph.show_contacts(contacts, self._names)

    def clear(self) -> None:
        """Show nothing."""
        self._known = False
        self.hide()

    def _turn(self) -> None:
        markers = self.view.choice == MARKERS
        self.heat.setVisible(markers and self._known)
        self.graph.setVisible(not markers)
        self.caution.setText(_CAUTION if markers else _TOUCH)
        self.caution.setVisible(not markers or self._known)
        if not markers and not self._counted:
            self.graph.show_contacts((), self._names)
            self.neighbours_wanted.emit()
