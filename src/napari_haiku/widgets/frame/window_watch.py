"""Noticing that the window around a widget really closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget


class WindowWatch(QObject):
    """Calls back once when the watched window closes.

    A close that the user takes back, when napari asks, is followed by no hiding
    and calls nothing.

    Parameters
    ----------
    parent : QWidget
        The widget that wants to know.
    closed : callable
        What to call.
    """

    def __init__(self, parent: QWidget, closed: Callable[[], object]) -> None:
        super().__init__(parent)
        self._closed = closed
        self._window: QWidget | None = None
        self._closing = QTimer(self)
        self._closing.setSingleShot(True)
        self._closing.setInterval(0)

    def watch(self, window: QWidget | None) -> None:
        """Watch this window, and no other any more."""
        if window is self._window:
            return
        if self._window is not None:
            self._window.removeEventFilter(self)
        self._window = window
        if window is not None:
            window.installEventFilter(self)

    def leave(self) -> None:
        """Watch no more."""
        self._closing.stop()
        self.watch(None)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Wait for a close that is followed by hiding."""
        if event is not None and watched is self._window:
            if event.type() == QEvent.Type.Close:
                self._closing.start()
            elif event.type() == QEvent.Type.Hide and self._closing.isActive():
                self.leave()
                self._closed()
        return super().eventFilter(watched, event)
