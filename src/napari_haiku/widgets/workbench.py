"""Plugins > Haiku > Workbench: the five docks as tabs and the Haiku line below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow, QVBoxLayout, QWidget

from napari_haiku.viewer.layers.warming import read_units, take_units, warm_up
from napari_haiku.widgets.frame.haiku_menu import HaikuMenu, add_to_help
from napari_haiku.widgets.frame.jobs import JobRunner
from napari_haiku.widgets.frame.navigation import DOCKS, ENCODE, raise_dock
from napari_haiku.widgets.frame.status_line import StatusLine
from napari_haiku.widgets.frame.tour import Tour
from napari_haiku.widgets.frame.window_watch import WindowWatch

if TYPE_CHECKING:
    import napari

    from napari_haiku.widgets.frame.dock import HaikuDock

_DOCK_WIDTH, _WIDE_DOCK_WIDTH = 382, 440
_WIDE_WINDOW = 1800
_LAYERS_WIDTH = 246


class Workbench(QWidget):
    """Opens everything and then steps aside.

    napari shows a widget contribution in a dock of its own; this one adds the
    five docks, gives the canvas its room and hides itself. Opening it again
    brings the docks back.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer (napari gives it by this name).
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._line: StatusLine | None = None
        self._window = WindowWatch(self, self._leave)
        self._jobs = JobRunner(self)
        self.docks: dict[str, HaikuDock] = {}
        self.tour: Tour | None = None
        self.menu: HaikuMenu | None = None
        column = QVBoxLayout(self)
        column.addWidget(QLabel("The workbench is opening."))
        self._arranging = QTimer(self)
        self._arranging.setSingleShot(True)
        self._arranging.setInterval(0)
        self._arranging.timeout.connect(self.arrange)

    def showEvent(self, event: Any) -> None:
        """Arrange the window once it has taken the dock in."""
        super().showEvent(event)
        self._arranging.start()

    def arrange(self) -> None:
        """Open the five docks as tabs, add the Haiku line, hide this dock."""
        window = self.window()
        if not isinstance(window, QMainWindow):
            return
        self._window.watch(window)
        for name in DOCKS:
            self.docks[name] = raise_dock(self._viewer, name)
        if self._line is None:
            self._line = StatusLine(self._viewer, window)
            window.addToolBar(Qt.ToolBarArea.BottomToolBarArea, self._line)
            self.tour = Tour(self._viewer, window, self._raise)
            self.menu = HaikuMenu(self._viewer, self.tour.start, self._line)
            self._line.offer(self.menu)
            add_to_help(self._viewer, self.menu)
            self._jobs.start(read_units(), self._warm_up)
        self._line.show()
        raise_dock(self._viewer, ENCODE)
        self._make_room(window)
        own = _dock_of(self)
        if own is not None:
            own.hide()
        if self.tour is not None:
            self.tour.start_once()

    def _raise(self, name: str) -> HaikuDock:
        dock: HaikuDock = raise_dock(self._viewer, name)
        self.docks[name] = dock
        return dock

    @property
    def line(self) -> StatusLine | None:
        """The Haiku line, once it is there."""
        return self._line

    def _leave(self) -> None:
        self._jobs.close()
        # A tab that was never looked at did not see the window close.
        for dock in self.docks.values():
            dock.shut_down()
        if self.tour is not None:
            self.tour.leave()
        if self._line is not None:
            self._line.shut_down()

    def _warm_up(self, units: object) -> None:
        take_units(units)
        self._jobs.start(warm_up(), lambda _ready: None)

    def _make_room(self, window: QMainWindow) -> None:
        right = [dock for dock in map(_dock_of, self.docks.values()) if dock is not None]
        left = [
            dock
            for dock in window.findChildren(QDockWidget)
            if window.dockWidgetArea(dock) == Qt.DockWidgetArea.LeftDockWidgetArea
            and not dock.isHidden()
        ]
        docks = right[:1] + left
        wide = window.width() >= _WIDE_WINDOW
        widths = [_WIDE_DOCK_WIDTH if wide else _DOCK_WIDTH] * len(right[:1]) + [
            _LAYERS_WIDTH
        ] * len(left)
        window.resizeDocks(docks, widths, Qt.Orientation.Horizontal)


def _dock_of(widget: QWidget) -> QDockWidget | None:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent
