"""Hits as a gallery of thumbnails, three rows at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QRect, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QAction, QColor, QImage, QPainter, QPainterPath, QPen, QPixmap
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_haiku.widgets.frame.appearance import ACCENT, secondary_text
from napari_haiku.widgets.frame.navigation import NEXT, PREVIOUS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_haiku.viewer.search.hit_cards import HitCard

COLUMNS, MOST_COLUMNS, ROWS = 3, 4, 3
_WIDE = 420
SHOWN = {"H&E": ("he",), "mIF": ("mif",), "Both": ("he", "mif")}
_PICTURE_HEIGHT = 75
_TEXT_HEIGHT = 34
_TILE_WIDTH = 108


class HitTile(QWidget):
    """One hit: picture with its rank, similarity, whose it is and what stands out."""

    entered = Signal(int)
    left = Signal()
    clicked = Signal(int)
    refused = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.card: HitCard | None = None
        self.theme = "dark"
        self._selected = False
        self._hovered = False
        self._pixmaps: list[QPixmap] = []
        self.setMinimumWidth(_TILE_WIDTH - 14)
        self.setFixedHeight(_PICTURE_HEIGHT + _TEXT_HEIGHT)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        """Room for a picture and two lines."""
        return QSize(_TILE_WIDTH, _PICTURE_HEIGHT + _TEXT_HEIGHT)

    def show_card(
        self,
        card: HitCard | None,
        *,
        selected: bool = False,
        shown: Sequence[str] = ("he",),
    ) -> None:
        """Show a hit, or nothing; the first picture there is where none of those `shown` is."""
        self.card = card
        self._selected = selected
        pictures = {} if card is None else card.pictures
        wanted = [pictures[name] for name in shown if name in pictures]
        self._pixmaps = [_pixmap(one) for one in wanted or list(pictures.values())[:1]]
        self.setVisible(card is not None)
        if card is not None:
            lines = [f"Hit {card.rank}, likeness {card.similarity:.2f}, {card.whose}"]
            if card.record:
                lines.append(card.record)
            self.setToolTip("\n".join(lines))
            self.setAccessibleName(lines[0])
        self.update()

    def paintEvent(self, event: Any) -> None:
        """Draw the card."""
        if self.card is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        outline = QPainterPath()
        outline.addRoundedRect(frame, 3, 3)
        light = self.theme == "light"
        painter.fillPath(outline, QColor("#DDDAD8" if light else "#2E333E"))
        painter.setClipPath(outline)
        share = (self.width() - 2) // max(len(self._pixmaps), 1)
        for place, pixmap in enumerate(self._pixmaps):
            area = QRect(1 + place * share, 1, share, _PICTURE_HEIGHT)
            painter.drawPixmap(area, pixmap, _middle(pixmap, area))
        text = QColor("#23242B" if light else "#F0F1F2")
        muted = QColor(secondary_text(self.theme))
        _write_outlined(painter, 6, 15, str(self.card.rank))
        first, second = self._text_lines()
        bold = painter.font()
        bold.setBold(True)
        plain = painter.font()
        painter.setFont(bold)
        painter.setPen(text)
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        painter.drawText(first, left, f"{self.card.similarity:.2f}")
        painter.setFont(plain)
        painter.drawText(first, right, self.card.whose)
        painter.setPen(muted)
        out = ", ".join(f"{marker}↑" for marker in self.card.stands_out)
        elided = painter.fontMetrics().elidedText(
            out, Qt.TextElideMode.ElideRight, int(second.width())
        )
        painter.drawText(second, left, elided)
        painter.setClipping(False)
        if self._selected or self._hovered or self.hasFocus():
            painter.setPen(QPen(QColor(ACCENT), 2))
            painter.drawPath(outline)
        painter.end()

    def _text_lines(self) -> tuple[QRectF, QRectF]:
        width = self.width() - 10
        half = _TEXT_HEIGHT / 2 - 1
        return (
            QRectF(5, _PICTURE_HEIGHT + 2, width, half),
            QRectF(5, _PICTURE_HEIGHT + 1 + half, width, half),
        )

    def enterEvent(self, event: Any) -> None:
        """Light up, and say so."""
        self._hovered = True
        self.update()
        if self.card is not None:
            self.entered.emit(self.card.rank)

    def leaveEvent(self, event: Any) -> None:
        """Go dark again."""
        self._hovered = False
        self.update()
        self.left.emit()

    def mouseReleaseEvent(self, event: Any) -> None:
        """Say which hit was clicked."""
        if self.card is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(self.card.rank)

    def contextMenuEvent(self, event: Any) -> None:
        """Offer to leave this hit out."""
        if self.card is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        refuse = QAction("Not this one", menu)
        rank = self.card.rank
        refuse.triggered.connect(lambda _checked=False: self.refused.emit(rank))
        menu.addAction(refuse)
        menu.popup(event.globalPos())

    def keyPressEvent(self, event: Any) -> None:
        """Let Enter and Space click."""
        keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
        if self.card is not None and event.key() in keys:
            self.clicked.emit(self.card.rank)
        elif self.card is not None and event.key() == Qt.Key.Key_Delete:
            self.refused.emit(self.card.rank)
        else:
            super().keyPressEvent(event)


class Gallery(QWidget):
    """Tiles in three columns, four where there is room, with a pager.

    Emits :attr:`hovered` with a rank (0 when the pointer left),
    :attr:`clicked` with a rank, and :attr:`refused` with that of a hit the user
    does not want to see.
    """

    hovered = Signal(int)
    clicked = Signal(int)
    refused = Signal(int)
    turned = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cards: Sequence[HitCard] = ()
        self._page = 0
        self._selected = 0
        self._shown: tuple[str, ...] = ("he",)
        self._columns = COLUMNS
        self.tiles = [HitTile() for _ in range(MOST_COLUMNS * ROWS)]
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(6)
        self._grid = grid
        for tile in self.tiles:
            tile.entered.connect(self.hovered)
            tile.left.connect(lambda: self.hovered.emit(0))
            tile.clicked.connect(self._click)
            tile.refused.connect(self.refused)
        self._deal_out()
        self._range = QLabel()
        self._range.setProperty("haiku", "secondary")
        self.previous = QPushButton(PREVIOUS)
        self.next = QPushButton(NEXT)
        for button, tip in ((self.previous, "Previous hits."), (self.next, "Next hits.")):
            button.setFixedWidth(26)
            button.setToolTip(tip)
        self.previous.clicked.connect(lambda _checked=False: self._turn(-1))
        self.next.clicked.connect(lambda _checked=False: self._turn(1))
        self.pager = QWidget()
        row = QHBoxLayout(self.pager)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._range)
        row.addWidget(self.previous)
        row.addWidget(self.next)
        column_box = QVBoxLayout(self)
        column_box.setContentsMargins(0, 0, 0, 0)
        column_box.addLayout(grid)
        self.show_cards(())

    def set_theme(self, theme: str) -> None:
        """Recolour for a napari theme."""
        for tile in self.tiles:
            tile.theme = theme
            tile.update()

    def show_cards(self, cards: Sequence[HitCard]) -> None:
        """Show hits from the first one on."""
        self._cards, self._page, self._selected = cards, 0, 0
        self._fill()

    def change_cards(self, cards: Sequence[HitCard]) -> None:
        """Show hits anew, ranked otherwise or with more pictures; page and mark stay."""
        self._cards = cards
        self._turn(0)

    def show_pictures(self, shown: Sequence[str]) -> None:
        """Show "he", "mif" or both of every hit."""
        self._shown = tuple(shown)
        self._fill()

    @property
    def page_size(self) -> int:
        """Hits on a page."""
        return self._columns * ROWS

    def resizeEvent(self, event: Any) -> None:
        """Use the room there is."""
        super().resizeEvent(event)
        columns = MOST_COLUMNS if self.width() >= _WIDE else COLUMNS
        if columns != self._columns:
            first = self._page * self.page_size
            self._columns = columns
            self._page = first // self.page_size
            self._deal_out()
            self._fill()

    def _deal_out(self) -> None:
        for place, tile in enumerate(self.tiles):
            self._grid.addWidget(tile, place // self._columns, place % self._columns)
        for column in range(MOST_COLUMNS):
            self._grid.setColumnStretch(column, int(column < self._columns))

    def select(self, rank: int) -> None:
        """Mark a hit and turn to its page."""
        if 1 <= rank <= len(self._cards):
            self._selected = rank
            self._page = (rank - 1) // self.page_size
            self._fill()

    @property
    def selected(self) -> int:
        """Rank of the marked hit; 0 for none."""
        return self._selected

    def _click(self, rank: int) -> None:
        self.select(rank)
        self.clicked.emit(rank)

    def _turn(self, pages: int) -> None:
        last = max(0, (len(self._cards) - 1) // self.page_size)
        self._page = min(max(self._page + pages, 0), last)
        self._fill()

    def _fill(self) -> None:
        first = self._page * self.page_size
        shown = self._cards[first : first + self.page_size]
        for place, tile in enumerate(self.tiles):
            card = shown[place] if place < len(shown) else None
            selected = card is not None and card.rank == self._selected
            tile.show_card(card, selected=selected, shown=self._shown)
        total = len(self._cards)
        self._range.setText(f"{first + 1}-{first + len(shown)} of {total}" if total else "")
        self.pager.setVisible(total > self.page_size)
        self.previous.setEnabled(first > 0)
        self.next.setEnabled(first + len(shown) < total)
        self.turned.emit()

    @property
    def ranks_in_view(self) -> frozenset[int]:
        """Ranks of the hits on the page shown."""
        return frozenset(tile.card.rank for tile in self.tiles if tile.card is not None)


def _pixmap(thumbnail: NDArray[np.uint8]) -> QPixmap:
    height, width = thumbnail.shape[:2]
    pixels = thumbnail[..., :3].tobytes()
    image = QImage(pixels, width, height, 3 * width, QImage.Format.Format_RGB888)
    # The copy owns its pixels; the bytes above end with this call.
    return QPixmap.fromImage(image.copy())


def _middle(pixmap: QPixmap, area: QRect) -> QRect:
    """Give the middle part of a picture that has the area's proportions."""
    height = min(pixmap.height(), round(pixmap.width() * area.height() / max(area.width(), 1)))
    return QRect(0, (pixmap.height() - height) // 2, pixmap.width(), height)


def _write_outlined(painter: QPainter, x: int, y: int, text: str) -> None:
    font = painter.font()
    bold = painter.font()
    bold.setBold(True)
    path = QPainterPath()
    path.addText(x, y, bold, text)
    painter.strokePath(path, QPen(QColor(0, 0, 0, 200), 3))
    painter.fillPath(path, QColor("white"))
    painter.setFont(font)
