"""The real patches behind the value at the ringed patch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_haiku.viewer.biomarkers.evidence import SHOWN_NEIGHBOURS
from napari_haiku.viewer.layers.legend import number_text

if TYPE_CHECKING:
    from collections.abc import Callable

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


class _NeighbourTile(QWidget):
    clicked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.row = -1
        self.picture = QLabel()
        self.picture.setFixedSize(_NEIGHBOUR_PX, _NEIGHBOUR_PX)
        self.caption = QLabel()
        self.caption.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(1)
        column.addWidget(self.picture)
        column.addWidget(self.caption)

    def mousePressEvent(self, event: object) -> None:
        """Say which neighbour was clicked."""
        self.clicked.emit(self.row)


class EvidencePanel(QFrame):
    """Own thumbnail with the value, its footing, and the five most alike neighbours.

    Signals
    -------
    neighbour_clicked : (row of the atlas)
    """

    neighbour_clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("haiku", "card")
        self.evidence: Evidence | None = None
        self.own = QLabel()
        self.own.setFixedSize(_OWN_PX, _OWN_PX)
        self.headline = QLabel()
        self.headline.setWordWrap(True)
        self.measured = QLabel()
        self.footing = QLabel()
        self.footing.setWordWrap(True)
        self.footing.setProperty("haiku", "secondary")
        words = QVBoxLayout()
        words.setSpacing(1)
        for label in (self.headline, self.measured, self.footing):
            words.addWidget(label)
        words.addStretch(1)
        top = QHBoxLayout()
        top.addWidget(self.own, 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(words, 1)
        self._row = QWidget()
        tiles = QHBoxLayout(self._row)
        tiles.setContentsMargins(0, 0, 0, 0)
        tiles.setSpacing(5)
        self.tiles = [_NeighbourTile() for _ in range(SHOWN_NEIGHBOURS)]
        for tile in self.tiles:
            tile.clicked.connect(self.neighbour_clicked)
            tiles.addWidget(tile)
        tiles.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(6)
        column.addLayout(top)
        column.addWidget(self._row)
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.told.setProperty("haiku", "secondary")
        column.addWidget(self.told)
        self.clear()

    def clear(self) -> None:
        """Say what to do to see evidence."""
        self.evidence = None
        self.own.hide()
        self.measured.hide()
        self.footing.hide()
        self._row.hide()
        self.told.hide()
        self.headline.setText(NOTHING_RINGED)

    def tell(self, text: str) -> None:
        """Write a line under the neighbours, about the one that was clicked."""
        self.told.setText(text)
        self.told.show()

    def show_evidence(
        self,
        evidence: Evidence,
        own: NDArray[np.uint8] | None,
        thumbnail_of: Callable[[int], NDArray[np.uint8] | None],
    ) -> None:
        """Show what stands behind a value.

        Parameters
        ----------
        evidence : Evidence
            Value and neighbours.
        own : ndarray, shape (h, w, 3), or None
            Thumbnail of the ringed patch.
        thumbnail_of : callable
            Row of the atlas -> its thumbnail, or None where there is none.
        """
        self.evidence = evidence
        self.told.hide()
        self.headline.setText(evidence.headline)
        self.measured.setText(evidence.measured_text)
        self.footing.setText(evidence.footing)
        self.own.setVisible(own is not None)
        if own is not None:
            self.own.setPixmap(pixmap_of(own, _OWN_PX))
        self.measured.show()
        self.footing.show()
        self._row.setVisible(bool(evidence.neighbours))
        for position, tile in enumerate(self.tiles):
            shown = position < len(evidence.neighbours)
            tile.setVisible(shown)
            if not shown:
                continue
            neighbour = evidence.neighbours[position]
            tile.row = neighbour.row
            thumbnail = thumbnail_of(neighbour.row)
            if thumbnail is None:
                tile.picture.setText("no\npicture")
            else:
                tile.picture.setPixmap(pixmap_of(thumbnail, _NEIGHBOUR_PX))
            text = number_text(neighbour.value)
            tile.caption.setText("not meas." if text == "no value" else text)
            tile.setToolTip(
                f"{evidence.marker} measured there: {text}; likeness {neighbour.similarity:.2f}"
            )
