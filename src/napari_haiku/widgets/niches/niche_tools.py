"""Buttons that correct niches and hand them on: Rename, Merge, Split, Paint, Mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget
from superqt.utils import signals_blocked

from napari_haiku.viewer.niches.niche_edits import MOST_NICHES

if TYPE_CHECKING:
    from collections.abc import Sequence


class NicheTools(QWidget):
    """What can be done to the niches whose rows are selected.

    Signals
    -------
    rename_wanted, merge_wanted, split_wanted, mask_wanted : ()
    paint_wanted : (bool)
        The brush is to be taken up or put down.
    """

    rename_wanted = Signal()
    merge_wanted = Signal()
    split_wanted = Signal()
    mask_wanted = Signal()
    paint_wanted = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rename = QPushButton("Rename")
        self.merge = QPushButton("Merge")
        self.split = QPushButton("Split")
        self.paint = QPushButton("Paint")
        self.paint.setCheckable(True)
        self.paint.setProperty("haiku", "chip")
        self.make_mask = QPushButton("Mask")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for button in (self.rename, self.merge, self.split, self.paint, self.make_mask):
            row.addWidget(button)
        row.addStretch(1)
        self.rename.clicked.connect(lambda _checked=False: self.rename_wanted.emit())
        self.merge.clicked.connect(lambda _checked=False: self.merge_wanted.emit())
        self.split.clicked.connect(lambda _checked=False: self.split_wanted.emit())
        self.make_mask.clicked.connect(lambda _checked=False: self.mask_wanted.emit())
        self.paint.toggled.connect(self.paint_wanted)
        self.offer((), 0)

    def offer(self, selected: Sequence[int], niches: int) -> None:
        """Offer what the selection allows, and say why not.

        Parameters
        ----------
        selected : sequence of int
            Niches whose rows are selected.
        niches : int
            How many niches there are.
        """
        one = "Select one niche in the table first."
        self._set(self.rename, len(selected) == 1, "Give the selected niche a name.", one)
        self._set(
            self.merge,
            len(selected) > 1,
            "Make the selected niches one. (Ctrl+Z takes it back)",
            "Select two or more niches first: Ctrl-click.",
        )
        full = f"There are {MOST_NICHES} niches already: merge some first."
        self._set(
            self.split,
            len(selected) == 1 and niches < MOST_NICHES,
            "Split the selected niche in two. (Ctrl+Z takes it back)",
            one if niches < MOST_NICHES else full,
        )
        self._set(
            self.paint,
            len(selected) == 1 or self.paint.isChecked(),
            "Correct by brush: paint patches into the selected niche; the brush is one patch. "
            "(Ctrl+Z takes a stroke back)",
            one,
        )

        self._set(
            self.make_mask,
            len(selected) > 0,
            "Make a layer of the selected niches' patches, to measure, export or use elsewhere.",
            "Select niches in the table first.",
        )

    def show_painting(self, on: bool) -> None:
        """Show whether the brush is in hand, without telling anybody."""
        with signals_blocked(self.paint):
            self.paint.setChecked(on)

    @staticmethod
    def _set(button: QPushButton, possible: bool, tooltip: str, why_not: str) -> None:
        button.setEnabled(possible)
        button.setToolTip(tooltip if possible else why_not)
