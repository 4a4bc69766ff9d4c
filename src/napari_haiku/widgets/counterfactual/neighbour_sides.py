"""Baseline and edited neighbours of the ringed patch, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_haiku.viewer.layers.legend import number_text, shift_text
from napari_haiku.widgets.biomarkers.evidence import NeighbourTile, pixmap_of
from napari_haiku.widgets.frame.appearance import CHANGED
from napari_haiku.widgets.frame.restyling import set_look

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_haiku.viewer.counterfactual.neighbours import Answering, Sides

SHOWN = 3
_TILE_PX = 44
_DOT = "\N{BLACK CIRCLE} "
NOTHING_RINGED = "Click tissue to see which atlas patches answer, as recorded and as edited."
NOT_ASKED = "This patch was not asked about."


class _Side(QWidget):
    clicked = Signal(int)

    def __init__(self, title: str) -> None:
        super().__init__()
        name = QLabel(title)
        name.setProperty("haiku", "heading")
        self.words = QLabel()
        self.words.setProperty("haiku", "secondary")
        self.words.setWordWrap(True)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self.tiles = [NeighbourTile(_TILE_PX) for _ in range(SHOWN)]
        for tile in self.tiles:
            tile.clicked.connect(self.clicked)
            row.addWidget(tile)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(name)
        column.addLayout(row)
        column.addWidget(self.words)

    def show_side(self, side: tuple[Answering, ...], words: str, marker: str) -> None:
        self.words.setText(words)
        for place, tile in enumerate(self.tiles):
            tile.setVisible(place < len(side))
            if place >= len(side):
                continue
            one = side[place]
            value = number_text(one.value)
            shown = "not meas." if value == "no value" else value
            tile.show_neighbour(one.row, f"{_DOT if one.carries else ''}{shown}")
            tile.caption.setStyleSheet(f"color: {CHANGED}" if one.carries else "")
            told = [f"{marker} measured there: {shown}"]
            told.append("recorded as edited" if one.carries else "recorded otherwise")
            told.append("answers on this side only" if one.only_here else "answers on both sides")
            tile.setToolTip("; ".join(told) + ". Click for its record.")


class NeighbourSides(QFrame):
    """The three most alike neighbours under either record, and what changed between them.

    Signals
    -------
    neighbour_clicked : (row of the atlas)
    """

    neighbour_clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("haiku", "card")
        self.sides: Sides | None = None
        self.headline = QLabel(NOTHING_RINGED)
        self.headline.setWordWrap(True)
        self.baseline = _Side("As recorded")
        self.edited = _Side("As edited")
        self._both = QWidget()
        row = QHBoxLayout(self._both)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.baseline, 1)
        row.addWidget(self.edited, 1)
        self.told = QLabel()
        self.told.setWordWrap(True)
        set_look(self.told, "haiku", "secondary")
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(4)
        for part in (self.headline, self._both, self.told):
            column.addWidget(part, 0, Qt.AlignmentFlag.AlignTop)
        for side in (self.baseline, self.edited):
            side.clicked.connect(self.neighbour_clicked)
        self.clear()

    @property
    def rows(self) -> list[int]:
        """Rows of the atlas whose pictures are wanted."""
        return [
            tile.row
            for side in (self.baseline, self.edited)
            for tile in side.tiles
            if not tile.isHidden()
        ]

    def clear(self, words: str = NOTHING_RINGED) -> None:
        """Say what to do to see something."""
        self.sides = None
        self.headline.setText(words)
        self._both.hide()
        self.told.hide()

    def show_sides(self, sides: Sides) -> None:
        """Show both sides; pictures follow by :meth:`show_pictures`."""
        self.sides = sides
        shift = (
            "no shift, unlike anything in the atlas"
            if sides.outside
            else f"shift {shift_text(sides.shift)} SD of the atlas"
        )
        self.headline.setText(
            f"<b>{sides.marker}</b> here: {shift}. {sides.stayed} of {len(sides.baseline)} "
            "neighbours stayed."
        )
        for side, answering in (
            (self.baseline, sides.baseline),
            (self.edited, sides.edited),
        ):
            side.show_side(answering, sides.carrying(answering), sides.marker)
        self._both.show()
        self.told.hide()

    def show_pictures(self, pictures: Mapping[int, NDArray[np.uint8]]) -> None:
        """Fill in the pictures of the atlas patches, by row."""
        for side in (self.baseline, self.edited):
            for tile in side.tiles:
                if tile.row in pictures:
                    tile.show_picture(pixmap_of(pictures[tile.row], _TILE_PX))

    def tell(self, text: str) -> None:
        """Write a line about the neighbour that was clicked."""
        self.told.setText(text)
        self.told.show()
