"""The real patches behind the value at the ringed patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from superqt import QFlowLayout

from napari_haiku.viewer.biomarkers.evidence import SHOWN_NEIGHBOURS
from napari_haiku.viewer.layers.legend import number_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_haiku.viewer.biomarkers.evidence import Evidence

_OWN_PX = 62
_NEIGHBOUR_PX = 58
NOTHING_RINGED = "Click tissue to see which atlas patches a value was read from."


def pixmap_of(thumbnail: NDArray[np.uint8], size: int) -> QPixmap:
    """Scale a thumbnail (height, width, 3) to a square of `size` pixels."""
    height, width = thumbnail.shape[:2]
    pixels = thumbnail[..., :3].tobytes()
    image = QImage(pixels, width, height, 3 * width, QImage.Format.Format_RGB888)
    # The copy owns its pixels; the bytes above end with this call.
    return QPixmap.fromImage(image.copy()).scaled(
        size,
        size,
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )


class NeighbourTile(QWidget):
    """Picture of an atlas patch with a line beneath; a click chooses it.

    Parameters
    ----------
    size : int
        Side of the picture, pixels.

    Signals
    -------
    clicked : (row of the atlas)
    """

    clicked = Signal(int)

    def __init__(self, size: int) -> None:
        super().__init__()
        self.row = -1
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        # A long figure must not push the others out of the dock.
        self.setFixedWidth(size + 2)
        self.picture = QLabel()
        self.picture.setFixedSize(size, size)
        self.caption = QLabel()
        self.caption.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(1)
        column.addWidget(self.picture)
        column.addWidget(self.caption)

    def show_neighbour(self, row: int, caption: str) -> None:
        """Show another patch; its picture follows by :meth:`show_picture`."""
        if row != self.row:
            self.picture.clear()
        self.row = row
        self.caption.setText(caption)

    def show_picture(self, picture: QPixmap | None) -> None:
        """Show the picture, or say that the atlas keeps none."""
        if picture is None:
            self.picture.setText("no\npicture")
        else:
            self.picture.setPixmap(picture)

    def mousePressEvent(self, event: object) -> None:
        """Say which neighbour was clicked."""
        self.clicked.emit(self.row)

    def keyPressEvent(self, event: Any) -> None:
        """Let Enter and Space click."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.clicked.emit(self.row)
        else:
            super().keyPressEvent(event)


class EvidencePanel(QFrame):
    """Own picture with the value, its footing, and the neighbours, the most alike first.

    Signals
    -------
    neighbour_clicked : (row of the atlas)
    pictures_wanted : ()
        Other neighbours are on show; whoever listens calls :meth:`show_pictures`.
    """

    neighbour_clicked = Signal(int)
    pictures_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("haiku", "card")
        self.evidence: Evidence | None = None
        self.own = QLabel()
        self.own.setFixedSize(_OWN_PX, _OWN_PX)
        self.headline = QLabel()
        self.headline.setWordWrap(True)
        self.interval = QLabel()
        self.interval.setToolTip(
            "So wide that it would have held the measured values of that share of the atlas's "
            "patients, each predicted from the others."
        )
        self.measured = QLabel()
        self.footing = QLabel()
        self.footing.setWordWrap(True)
        self.footing.setProperty("haiku", "secondary")
        words = QVBoxLayout()
        words.setSpacing(1)
        for label in (self.headline, self.interval, self.measured, self.footing):
            words.addWidget(label)
        words.addStretch(1)
        top = QHBoxLayout()
        top.addWidget(self.own, 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(words, 1)
        self._row = QWidget()
        self._flow = QFlowLayout(self._row)
        self._flow.setContentsMargins(0, 0, 0, 0)
        self.tiles: list[NeighbourTile] = []
        self.all_button = QPushButton()
        self.all_button.setProperty("haiku", "small")
        self.all_button.setCheckable(True)
        self.all_button.setToolTip("Show every neighbour that the value was read from.")
        self.all_button.toggled.connect(lambda _on: self._fill())
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.told.setProperty("haiku", "secondary")
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(6)
        column.addLayout(top)
        for part in (self._row, self.all_button, self.told):
            column.addWidget(part)
        self._add_tiles(SHOWN_NEIGHBOURS)
        self.clear()

    def clear(self) -> None:
        """Say what to do to see evidence."""
        self.evidence = None
        for part in (
            self.own,
            self.interval,
            self.measured,
            self.footing,
            self._row,
            self.all_button,
            self.told,
        ):
            part.hide()
        self.headline.setText(NOTHING_RINGED)

    def tell(self, text: str) -> None:
        """Write a line under the neighbours, about the one that was clicked."""
        self.told.setText(text)
        self.told.show()

    @property
    def rows(self) -> list[int]:
        """Rows of the atlas whose pictures are wanted."""
        return [tile.row for tile in self.tiles if not tile.isHidden()]

    def show_evidence(self, evidence: Evidence) -> None:
        """Show what stands behind a value; pictures follow by :meth:`show_pictures`.

        Parameters
        ----------
        evidence : Evidence
            Value and neighbours.
        """
        if self.evidence is None or evidence.patch != self.evidence.patch:
            self.own.clear()
        self.evidence = evidence
        self.told.hide()
        self.headline.setText(evidence.headline)
        self.interval.setText(evidence.interval_text)
        self.interval.setVisible(bool(evidence.interval_text))
        self.measured.setText(evidence.measured_text)
        self.footing.setText(evidence.footing)
        for part in (self.own, self.measured, self.footing):
            part.show()
        self._row.setVisible(bool(evidence.neighbours))
        self._fill()

    def show_pictures(
        self, own: NDArray[np.uint8] | None, pictures: Mapping[int, NDArray[np.uint8]]
    ) -> None:
        """Fill in the pictures.

        Parameters
        ----------
        own : ndarray, shape (h, w, 3), or None
            The ringed patch.
        pictures : Mapping
            Row of the atlas -> its picture; rows without one are absent.
        """
        self.own.setVisible(own is not None)
        if own is not None:
            self.own.setPixmap(pixmap_of(own, _OWN_PX))
        for tile in self.tiles:
            if not tile.isHidden():
                found = pictures.get(tile.row)
                tile.show_picture(None if found is None else pixmap_of(found, _NEIGHBOUR_PX))

    def _fill(self) -> None:
        evidence = self.evidence
        if evidence is None:
            return
        everybody = len(evidence.neighbours)
        self.all_button.setVisible(everybody > SHOWN_NEIGHBOURS)
        unfolded = self.all_button.isChecked()
        self.all_button.setText(
            f"The first {SHOWN_NEIGHBOURS}" if unfolded else f"All {everybody}..."
        )
        shown = everybody if unfolded else min(everybody, SHOWN_NEIGHBOURS)
        self._add_tiles(shown - len(self.tiles))
        for place, tile in enumerate(self.tiles):
            tile.setVisible(place < shown)
            if place >= shown:
                continue
            neighbour = evidence.neighbours[place]
            text = number_text(neighbour.value)
            tile.show_neighbour(neighbour.row, "not meas." if text == "no value" else text)
            tile.setToolTip(
                f"{evidence.marker} measured there: {text}; likeness {neighbour.similarity:.2f}. "
                "Click to open its slide beside this one."
            )
        self.pictures_wanted.emit()

    def _add_tiles(self, wanted: int) -> None:
        for _ in range(wanted):
            tile = NeighbourTile(_NEIGHBOUR_PX)
            tile.clicked.connect(self.neighbour_clicked)
            self.tiles.append(tile)
            self._flow.addWidget(tile)
