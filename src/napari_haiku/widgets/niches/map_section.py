"""The map of patches with what can be done to the patches chosen on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_haiku.viewer.niches.patch_picture import PatchCloud
from napari_haiku.widgets.biomarkers.evidence import pixmap_of
from napari_haiku.widgets.niches.patch_map import HIGH, LOW, PatchMap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_haiku.encoding.store import Encoding
    from napari_haiku.widgets.frame.dock import HaikuDock

_CARD_PX = 64
FEWEST = 10
NOT_YET = "Find niches first: patches that look alike will lie close together here."
DRAWING = "The map is being drawn; niches can be used meanwhile."
NO_MAP = "No map: too few patches, or it was stopped."


class MapSection(QWidget):
    """Heading, map, and buttons for the patches chosen.

    Parameters
    ----------
    dock : HaikuDock
        Runs the jobs.

    Signals
    -------
    chosen : (ndarray of bool or None)
        Patches chosen by lasso; None when the choice was given up.
    patch_chosen : (patch)
        A point was clicked.
    niche_wanted : (ndarray of bool)
        The chosen patches shall become a niche.
    drawn : ()
        The map arrived.
    """

    chosen = Signal(object)
    patch_chosen = Signal(int)
    niche_wanted = Signal(object)
    drawn = Signal()

    def __init__(self, dock: HaikuDock) -> None:
        super().__init__()
        self._dock = dock
        self._encoding: Encoding | None = None
        self._modality = ""
        self._names: dict[int, str] = {}
        self._labels: NDArray[np.int64] = np.zeros(0, np.int64)
        self._chosen: NDArray[np.bool_] | None = None
        title = QLabel("Map of patches (UMAP)")
        title.setProperty("haiku", "heading")
        self.enlarge = QPushButton("enlarge")
        self.enlarge.setCheckable(True)
        self.enlarge.setProperty("haiku", "small")
        self.enlarge.setToolTip("Give the map more room, or less again.")
        self.enlarge.toggled.connect(self._on_enlarge)
        head = QHBoxLayout()
        head.setContentsMargins(0, 4, 0, 0)
        head.addWidget(title)
        head.addStretch(1)
        head.addWidget(self.enlarge)
        self.map = PatchMap()
        self.count = QLabel()
        self.make_niche = _small("Make a niche", "The chosen patches become a niche of their own.")
        self.forget = _small("Clear", "Choose nothing; all patches look alike again.")
        self._actions = QWidget()
        row = QHBoxLayout(self._actions)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.count, 1)
        row.addWidget(self.make_niche)
        row.addWidget(self.forget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(head)
        column.addWidget(self.map)
        column.addWidget(self._actions)
        self.map.lassoed.connect(self._on_lasso)
        self.map.patch_chosen.connect(self.patch_chosen)
        self.map.hovered.connect(self._on_hover)
        self.make_niche.clicked.connect(lambda _checked=False: self._on_make())
        self.forget.clicked.connect(lambda _checked=False: self.choose_none())
        self.clear()

    @property
    def points(self) -> NDArray[np.float32] | None:
        """Where the patches lie; None while there is no map."""
        return None if self.map.cloud is None else self.map.cloud.points

    @property
    def modality(self) -> str:
        """What the map was made of."""
        return self._modality

    def clear(self) -> None:
        """Forget the slide."""
        self._encoding, self._chosen, self._modality = None, None, ""
        self.map.show_cloud(None, self._labels)
        self.map.say(NOT_YET)
        self._show_actions()

    def show_niches(
        self, encoding: Encoding, labels: NDArray[np.int64], names: Mapping[int, str]
    ) -> None:
        """Colour the map by these niches."""
        if encoding is not self._encoding:
            self.clear()
        self._encoding, self._labels, self._names = encoding, labels, dict(names)
        if self.map.cloud is not None:
            self.map.set_niches(labels)

    def draw(self, project: Callable[[Any, str], Any], modality: str) -> None:
        """Draw the map in the background, unless it is there already.

        Parameters
        ----------
        project : callable
            Path of the encoding and modality -> job that gives the points.
        modality : str
            What makes two patches alike.
        """
        encoding = self._encoding
        if encoding is None or (modality == self._modality and self.points is not None):
            return
        if encoding.n_patches < FEWEST:
            self.map.say(NO_MAP)
            return
        if self.points is None:
            self.map.say(DRAWING)
        self._dock.run(
            project(encoding.path, modality),
            lambda points: self._on_points(points, encoding, modality),
            "Drawing the map of patches",
            on_failure=lambda failure: self.map.say(failure.sentence),
            on_stopped=lambda _last: self.map.say(NO_MAP),
            lane="map",
        )

    def take_points(self, points: NDArray[np.float32], modality: str) -> None:
        """Show a map that was made before."""
        if self._encoding is not None and points.shape == (self._encoding.n_patches, 2):
            self._on_points(points, self._encoding, modality)

    def light(self, patches: NDArray[np.bool_] | None) -> None:
        """Light patches up that were chosen elsewhere."""
        self._chosen = None
        self.map.light(patches)
        self._show_actions()

    def choose_none(self) -> None:
        """Give the choice up."""
        self.map.light(None)
        self._on_lasso(np.zeros(len(self._labels), bool))

    def set_background(self, colour: str) -> None:
        """Paint on the colour of the canvas."""
        self.map.background = QColor(colour)
        self.map.update()

    def _on_points(self, points: NDArray[np.float32], encoding: Encoding, modality: str) -> None:
        if encoding is not self._encoding:
            return
        self._modality = modality
        self.map.show_cloud(PatchCloud(points), self._labels)
        self.drawn.emit()

    def _on_lasso(self, patches: NDArray[np.bool_]) -> None:
        self._chosen = patches if patches.any() else None
        self._show_actions()
        self.chosen.emit(self._chosen)

    def _on_make(self) -> None:
        if self._chosen is not None:
            self.niche_wanted.emit(self._chosen)

    def _show_actions(self) -> None:
        chosen = 0 if self._chosen is None else int(self._chosen.sum())
        self._actions.setVisible(chosen > 0)
        self.count.setText(f"{chosen:,} patch{'' if chosen == 1 else 'es'} chosen")

    def _on_enlarge(self, on: bool) -> None:
        self.enlarge.setText("shrink" if on else "enlarge")
        self.map.setFixedHeight(HIGH if on else LOW)

    def _on_hover(self, patch: int) -> None:
        encoding = self._encoding
        if patch < 0 or encoding is None:
            return
        words = self._names.get(int(self._labels[patch]), "no niche")
        self.map.show_card(None, words)
        self._dock.run(
            lambda: encoding.thumbnail(patch),
            lambda picture: self._on_thumbnail(picture, words),
            "Reading",
            on_failure=lambda _failure: None,
            lane="hover",
            quiet=True,
        )

    def _on_thumbnail(self, picture: NDArray[np.uint8], words: str) -> None:
        pixmap: QPixmap = pixmap_of(picture, _CARD_PX)
        self.map.show_card(pixmap, words)


def _small(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setProperty("haiku", "small")
    button.setToolTip(tooltip)
    return button
