"""How patches are grouped: how many niches, by what, with smooth edges or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QPushButton, QWidget
from superqt import QLabeledSlider
from superqt.utils import signals_blocked

from napari_haiku.widgets.frame.appearance import LABEL_WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.analysis.niches.niches import GroupBy

FEWEST, MOST = 2, 12
_WORDS: dict[GroupBy, str] = {"he": "H&E", "mif": "mIF", "both": "H&E and mIF"}


class NicheSettings(QWidget):
    """Slider, modality and smoothing.

    Signals
    -------
    clusters_changed : ()
        The number of niches changed, by the slider.
    changed : ()
        Anything else changed.
    """

    clusters_changed = Signal()
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.clusters = QLabeledSlider(Qt.Orientation.Horizontal)
        self.clusters.setRange(FEWEST, MOST)
        self.clusters.setValue(4)
        for part in (self.clusters, *self.clusters.findChildren(QWidget)):
            part.setToolTip("How many kinds of tissue to tell apart.")
        self.clusters.setAccessibleName("Number of niches")
        self.suggestion = QPushButton()
        self.suggestion.setProperty("haiku", "small")
        self.suggestion.setToolTip(
            "The number whose niches come out most alike when they are found again from other "
            "patches. Click to take it."
        )
        self.suggestion.hide()
        self._suggested: int | None = None
        self.group_by = QComboBox()
        self.group_by.setToolTip("What makes two patches alike.")
        self.group_by.setAccessibleName("Group by")
        self.smooth = QCheckBox("smooth edges")
        self.smooth.setChecked(True)
        self.smooth.setToolTip("Each patch also listens to its eight neighbours.")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(6)
        for row, (text, first, second) in enumerate(
            (("Niches", self.clusters, self.suggestion), ("Group by", self.group_by, self.smooth))
        ):
            name = QLabel(text)
            name.setFixedWidth(LABEL_WIDTH)
            name.setToolTip(first.toolTip())
            grid.addWidget(name, row, 0)
            grid.addWidget(first, row, 1)
            grid.addWidget(second, row, 2)
        grid.setColumnStretch(1, 1)
        self.clusters.valueChanged.connect(lambda _value: self.clusters_changed.emit())
        self.group_by.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self.smooth.toggled.connect(lambda _on: self.changed.emit())
        self.suggestion.clicked.connect(lambda _checked=False: self._take_suggestion())

    @property
    def modality(self) -> GroupBy:
        """What the patches are grouped by."""
        modality: GroupBy = self.group_by.currentData() or "he"
        return modality

    def offer(self, present: Sequence[str]) -> None:
        """Offer what the slide has to group by."""
        offered: list[GroupBy] = [name for name in _WORDS if name in present]
        if len(offered) > 1:
            offered.append("both")
        now = [self.group_by.itemData(index) for index in range(self.group_by.count())]
        if offered != now:
            with signals_blocked(self.group_by):
                self.group_by.clear()
                for name in offered:
                    self.group_by.addItem(_WORDS[name], name)
                self.group_by.setCurrentIndex(len(offered) - 1)

    def suggest(self, clusters: int | None) -> None:
        """Say how many niches are most repeatable; None while it is not known."""
        self._suggested = clusters
        self.suggestion.setVisible(clusters is not None)
        self.suggestion.setText("" if clusters is None else f"suggested: {clusters}")

    def take(self, clusters: int, modality: str, smooth: bool) -> None:
        """Set everything without telling anybody."""
        with (
            signals_blocked(self.clusters),
            signals_blocked(self.group_by),
            signals_blocked(self.smooth),
        ):
            self.clusters.setValue(clusters)
            place = self.group_by.findData(modality)
            if place >= 0:
                self.group_by.setCurrentIndex(place)
            self.smooth.setChecked(smooth)

    def _take_suggestion(self) -> None:
        if self._suggested is not None:
            self.clusters.setValue(self._suggested)
