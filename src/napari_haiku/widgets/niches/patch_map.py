"""The map of patches (UMAP): pan, zoom, lasso, hover, over as many points as there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_haiku.viewer.niches.patch_picture import PatchCloud, View

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOW, HIGH = 150, 340
_MOST_PIXELS = 300_000
_CLICK_PX = 4
_HOVER_MS = 50
_STEP = 1.25
_MOST_ZOOM = 2000.0
_HINT = "drag: lasso · wheel: zoom · right-drag: move"
_CARD = 64


class PatchMap(QWidget):
    """Points in the colours of their niches.

    Left-drag draws a lasso (with Shift it adds), a click chooses a patch, the
    wheel zooms about the pointer, right- or middle-drag moves, a double click
    shows everything.

    Signals
    -------
    lassoed : (ndarray of bool)
        The patches now chosen; none with an empty lasso.
    patch_chosen : (patch)
    hovered : (patch, -1 for none)
    """

    lassoed = Signal(object)
    patch_chosen = Signal(int)
    hovered = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cloud: PatchCloud | None = None
        self.view = View((0.0, 0.0), 1.0)
        self.message = ""
        self.background = QColor("black")
        self._niches: NDArray[np.integer] = np.zeros(0, np.int64)
        self._lit: NDArray[np.bool_] | None = None
        self._ring: int | None = None
        self._touched = False
        self._picture: QImage | None = None
        self._drawn_for: object = None
        self._lasso: list[QPointF] = []
        self._adding = False
        self._dragging: QPointF | None = None
        self._under = -1
        self._card: QPixmap | None = None
        self._words = ""
        self._pointer = QPointF()
        self._hovering = QTimer(self)
        self._hovering.setSingleShot(True)
        self._hovering.setInterval(_HOVER_MS)
        self._hovering.timeout.connect(self._tell_hovered)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setFixedHeight(LOW)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Map of patches")
        self.setToolTip(
            "Near = alike. Lasso here to select on the slide (Shift adds). Wheel: zoom. "
            "Right-drag: move. Double-click: everything. Distances between far groups mean little."
        )

    # -- what is shown ---

    def show_cloud(self, cloud: PatchCloud | None, niches: NDArray[np.integer]) -> None:
        """Show the points of a slide, or none."""
        self.cloud, self._niches = cloud, np.asarray(niches)
        self._lit, self._ring, self._touched = None, None, False
        self._forget()

    def set_niches(self, niches: NDArray[np.integer]) -> None:
        """Colour the points anew; they stay where they are."""
        self._niches = np.asarray(niches)
        self._forget()

    def light(self, patches: NDArray[np.bool_] | None) -> None:
        """Light patches up and dim the others; None: all alike."""
        self._lit = None if patches is None or not patches.any() else np.asarray(patches)
        self._forget()

    def ring(self, patch: int | None) -> None:
        """Ring the patch that is ringed on the slide."""
        self._ring = patch
        self.update()

    def show_card(self, picture: QPixmap | None, words: str) -> None:
        """Show the patch under the pointer, with a line about it."""
        self._card, self._words = picture, words
        self.update()

    def say(self, message: str) -> None:
        """Write a sentence in place of points."""
        self.message = message
        self.update()

    def show_all(self) -> None:
        """Bring every point into view."""
        self._touched = False
        self._forget()

    def point_of(self, patch: int) -> QPointF | None:
        """Where a patch lies in this widget."""
        if self.cloud is None:
            return None
        self._fit()
        place = self.cloud.pixel_of(patch, self.view, self._size)
        return None if place is None else QPointF(*place)

    # -- pointer and wheel ---

    def wheelEvent(self, event: Any) -> None:
        """Zoom about the pointer."""
        turned = event.angleDelta().y()
        if self.cloud is None or not turned:
            event.ignore()
            return
        self._fit()
        factor = _STEP ** (turned / 120)
        widest = View.of_all(self.cloud.points, self._size).span
        factor = min(
            max(factor, self.view.span / (2 * widest)), self.view.span * _MOST_ZOOM / widest
        )
        at = event.position()
        self.view = self.view.zoomed(factor, at.x(), at.y(), self._size)
        self._touched = True
        self._forget()
        event.accept()

    def mousePressEvent(self, event: Any) -> None:
        """Begin a lasso or a move."""
        if self.cloud is None:
            return
        if event.button() == Qt.MouseButton.LeftButton:
            self._adding = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._lasso = [event.position()]
        else:
            self._dragging = event.position()
            self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: Any) -> None:
        """Draw on, move, or hover."""
        self._pointer = event.position()
        if self._lasso:
            self._lasso.append(self._pointer)
            self.update()
        elif self._dragging is not None:
            by = self._pointer - self._dragging
            self._dragging = self._pointer
            self._fit()
            self.view = self.view.moved(by.x(), by.y(), self._size)
            self._touched = True
            self._forget()
        elif self.cloud is not None:
            self._hovering.start()

    def mouseReleaseEvent(self, event: Any) -> None:
        """End what was begun: choose by lasso or by click."""
        if self._dragging is not None:
            self._dragging = None
            self.unsetCursor()
            return
        lasso, self._lasso = self._lasso, []
        if self.cloud is None or not lasso:
            return
        lasso.append(event.position())
        self.update()
        far = max((place - lasso[0]).manhattanLength() for place in lasso)
        if far <= _CLICK_PX:
            self._click(lasso[0])
            return
        chosen = self.cloud.inside(self.view, self._size, [(p.x(), p.y()) for p in lasso])
        if self._adding and self._lit is not None:
            chosen |= self._lit
        self.light(chosen)
        self.lassoed.emit(chosen)

    def mouseDoubleClickEvent(self, event: Any) -> None:
        """Show everything."""
        self._lasso = []
        self.show_all()

    def leaveEvent(self, event: Any) -> None:
        """Take the card away."""
        self._hovering.stop()
        self._set_under(-1)

    def resizeEvent(self, event: Any) -> None:
        """Draw anew in the new size."""
        self._forget()

    def sizeHint(self) -> QSize:
        """As wide as the dock lets it be."""
        return QSize(340, self.height())

    # -- drawing ---

    def paintEvent(self, event: Any) -> None:
        """Paint points, lasso, ring and card."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), self.background)
        pale = QColor("white") if self.background.lightness() < 128 else QColor("black")
        if self.cloud is None:
            painter.setPen(pale)
            frame = self.rect().adjusted(16, 8, -16, -8)
            flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
            painter.setOpacity(0.75)
            painter.drawText(frame, flags, self.message)
            painter.end()
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(self.rect()), self._points(self.cloud))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._ring is not None:
            self._paint_ring(painter, self._ring)
        if len(self._lasso) > 1:
            painter.setPen(QPen(pale, 1.5))
            painter.setBrush(QColor(pale.red(), pale.green(), pale.blue(), 30))
            painter.drawPolygon(QPolygonF(self._lasso))
        self._paint_card(painter, pale)
        if self._under < 0 and not self._lasso:
            painter.setPen(pale)
            painter.setOpacity(0.7)
            small = painter.font()
            small.setPixelSize(10)
            painter.setFont(small)
            low = self.rect().adjusted(6, 0, -6, -4)
            painter.drawText(
                low, int(Qt.AlignmentFlag.AlignLeft) | int(Qt.AlignmentFlag.AlignBottom), _HINT
            )
        painter.end()

    def _points(self, cloud: PatchCloud) -> QImage:
        self._fit()
        size = self._size
        # More pixels than this cost more than they show.
        shrink = max(1.0, (size[0] * size[1] / _MOST_PIXELS) ** 0.5)
        drawn = (max(1, round(size[0] / shrink)), max(1, round(size[1] / shrink)))
        wanted = (self.view, drawn)
        if self._picture is None or self._drawn_for != wanted:
            pixels = cloud.draw(self._niches, self.view, drawn, lit=self._lit)
            height, width = pixels.shape[:2]
            image = QImage(
                pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888
            )
            # The copy owns its pixels; the bytes above end with this call.
            self._picture, self._drawn_for = image.copy(), wanted
        return self._picture

    def _paint_ring(self, painter: QPainter, patch: int) -> None:
        at = self.point_of(patch)
        if at is None:
            return
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, width in ((QColor("black"), 4.0), (QColor("white"), 2.0)):
            painter.setPen(QPen(colour, width))
            painter.drawEllipse(at, 6.0, 6.0)

    def _paint_card(self, painter: QPainter, pale: QColor) -> None:
        if self._under < 0 or not self._words:
            return
        self._paint_ring(painter, self._under)
        width = max(_CARD, self.fontMetrics().horizontalAdvance(self._words)) + 10
        height = (_CARD if self._card is not None else 0) + self.fontMetrics().height() + 10
        left = 4.0 if self._pointer.x() > self.width() / 2 else self.width() - width - 4.0
        frame = QRectF(left, 4.0, width, height)
        shade = QColor(self.background)
        shade.setAlpha(220)
        painter.fillRect(frame, shade)
        painter.setPen(QPen(pale, 0.6))
        painter.drawRect(frame)
        if self._card is not None:
            painter.drawPixmap(QPointF(left + 5, 9.0), self._card)
        painter.drawText(
            frame.adjusted(5, 0, -5, -4),
            int(Qt.AlignmentFlag.AlignLeft) | int(Qt.AlignmentFlag.AlignBottom),
            self._words,
        )

    # -- inside ---

    @property
    def _size(self) -> tuple[int, int]:
        return max(1, self.width()), max(1, self.height())

    def _fit(self) -> None:
        if self.cloud is not None and not self._touched:
            self.view = View.of_all(self.cloud.points, self._size)

    def _forget(self) -> None:
        self._picture = None
        self.update()

    def _click(self, at: QPointF) -> None:
        if self.cloud is None:
            return
        patch = self.cloud.nearest(self.view, self._size, at.x(), at.y())
        if patch is not None:
            self.patch_chosen.emit(patch)
        elif self._lit is not None:
            self.light(None)
            self.lassoed.emit(np.zeros(len(self.cloud), bool))

    def _tell_hovered(self) -> None:
        if self.cloud is None:
            return
        self._fit()
        found = self.cloud.nearest(self.view, self._size, self._pointer.x(), self._pointer.y())
        self._set_under(-1 if found is None else found)

    def _set_under(self, patch: int) -> None:
        if patch != self._under:
            self._under = patch
            self._card, self._words = None, ""
            self.hovered.emit(patch)
            self.update()
