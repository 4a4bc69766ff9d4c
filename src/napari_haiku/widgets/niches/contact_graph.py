"""Which niches touch: circles joined by lines, orange more often than by chance, blue less."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_haiku.viewer.layers.colormaps import niche_colour, shift_colour
from napari_haiku.viewer.niches.contacts import Contact, on_circle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HEIGHT = 190
_RADIUS = 62.0
_NODE = 11.0
_FULL_RATIO = 2.0
_WIDEST = 9.0
_NEAR_PX = 6.0
_FAINT = 0.3


class ContactGraph(QWidget):
    """Lines are as thick as contacts are frequent; faint where chance does as much.

    Signals
    -------
    niche_chosen : (niche)
        A circle was clicked.
    """

    niche_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.contacts: list[Contact] = []
        self.names: dict[int, str] = {}
        self._niches: tuple[int, ...] = ()
        self.setMouseTracking(True)
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Which niches touch")
        self.setToolTip("Hover a line or a circle for its figures; click a circle to light it up.")

    def show_contacts(self, contacts: Sequence[Contact], names: Mapping[int, str]) -> None:
        """Show niches and their contacts."""
        self.contacts, self.names = list(contacts), dict(names)
        self._niches = tuple(names)
        self.update()

    def sizeHint(self) -> QSize:
        """As wide as the dock lets it be."""
        return QSize(300, _HEIGHT)

    def place_of(self, niche: int) -> QPointF:
        """Where a niche's circle lies, in this widget."""
        x, y = on_circle(len(self._niches))[self._niches.index(niche)]
        return QPointF(self.width() / 2 + x * _RADIUS, self.height() / 2 + y * _RADIUS)

    def contact_at(self, at: QPointF) -> Contact | None:
        """Give the contact under the pointer: a circle's with itself, or a line's."""
        own = [contact for contact in self.contacts if contact.first == contact.second]
        for contact in own:
            if math.dist(_xy(self.place_of(contact.first)), _xy(at)) <= _NODE + 2:
                return contact
        between = [contact for contact in self.contacts if contact.first != contact.second]
        if not between:
            return None
        near = min(between, key=lambda contact: self._away(contact, at))
        return near if self._away(near, at) <= _NEAR_PX else None

    def mousePressEvent(self, event: Any) -> None:
        """Choose the niche that was clicked."""
        found = self.contact_at(event.position())
        if found is not None and found.first == found.second:
            self.niche_chosen.emit(found.first)

    def mouseMoveEvent(self, event: Any) -> None:
        """Say the figures at the pointer."""
        found = self.contact_at(event.position())
        if found is None:
            QToolTip.hideText()
        else:
            QToolTip.showText(event.globalPosition().toPoint(), found.hint, self)

    def paintEvent(self, event: Any) -> None:
        """Paint lines, circles and names."""
        if not self._niches:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        for contact in self.contacts:
            if contact.first != contact.second and contact.share > 0:
                self._paint_line(painter, contact)
        for niche in self._niches:
            self._paint_niche(painter, niche, text)
        painter.end()

    def _paint_line(self, painter: QPainter, contact: Contact) -> None:
        ratio = contact.log2_ratio if math.isfinite(contact.log2_ratio) else 0.0
        red, green, blue, _ = shift_colour(max(-1.0, min(1.0, ratio / _FULL_RATIO)))
        painter.setOpacity(0.95 if contact.clear else _FAINT)
        width = 1.0 + (_WIDEST - 1.0) * contact.share
        painter.setPen(QPen(QColor.fromRgbF(red, green, blue), width))
        painter.drawLine(self.place_of(contact.first), self.place_of(contact.second))
        painter.setOpacity(1.0)

    def _paint_niche(self, painter: QPainter, niche: int, text: QColor) -> None:
        at = self.place_of(niche)
        painter.setPen(QPen(text, 1.0))
        painter.setBrush(QColor(niche_colour(niche)))
        painter.drawEllipse(at, _NODE, _NODE)
        right = at.x() >= self.width() / 2 - 1
        room = self.width() - at.x() - _NODE - 6 if right else at.x() - _NODE - 6
        name = self.fontMetrics().elidedText(
            self.names[niche], Qt.TextElideMode.ElideRight, max(0, int(room))
        )
        left = at.x() + _NODE + 4 if right else at.x() - _NODE - 4 - room
        side = Qt.AlignmentFlag.AlignLeft if right else Qt.AlignmentFlag.AlignRight
        painter.setPen(text)
        painter.drawText(
            QRectF(left, at.y() - 9, room, 18), side | Qt.AlignmentFlag.AlignVCenter, name
        )

    def _away(self, contact: Contact, at: QPointF) -> float:
        (ax, ay), (bx, by) = (_xy(self.place_of(n)) for n in (contact.first, contact.second))
        x, y = _xy(at)
        length = (bx - ax) ** 2 + (by - ay) ** 2
        along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length if length else 0.0
        along = min(1.0, max(0.0, along))
        return math.dist((x, y), (ax + along * (bx - ax), ay + along * (by - ay)))


def _xy(point: QPointF) -> tuple[float, float]:
    return point.x(), point.y()
