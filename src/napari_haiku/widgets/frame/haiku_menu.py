"""What belongs to the whole workbench: in Help > Haiku, and in the Haiku line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QAction
from qtpy.QtWidgets import QFileDialog, QMenu, QWidget

from napari_haiku.viewer.session.folder import SUFFIX
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.frame.cheat_sheet import show_cheat_sheet
from napari_haiku.widgets.frame.session_keeper import keeper_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari


class HaikuMenu(QMenu):
    """Show me around, keys, saving a copy of the session and going on from one.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    show_around : callable
        Starts the tour.
    """

    def __init__(
        self, viewer: napari.Viewer, show_around: Callable[[], object], parent: QWidget
    ) -> None:
        super().__init__("Haiku", parent)
        self._viewer = viewer
        self.setToolTipsVisible(True)
        self.entries: dict[str, QAction] = {}
        for name, tip, slot in (
            ("Show me around", "Four short bubbles from a slide to a marker map.", show_around),
            ("Keys", "What each key does. (Shift+H)", self._show_keys),
            (
                "Save session as...",
                "A copy of everything said about this slide; the session goes on where it lies.",
                self._choose_copy,
            ),
            (
                "Open session...",
                "Go on from such a copy; what is in view now is kept under today's date.",
                self._choose_session,
            ),
        ):
            action = QAction(name, self)
            action.setToolTip(tip)
            action.triggered.connect(lambda _checked=False, go=slot: go())
            self.addAction(action)
            self.entries[name] = action
        self.aboutToShow.connect(self._enable)
        self._enable()

    def save_copy(self, path: Path) -> None:
        """Save a copy of the session."""
        if not path.name.endswith(SUFFIX):
            path = path.with_name(path.name + SUFFIX)
        keeper = keeper_of(self._viewer)
        if keeper is not None:
            keeper.save_as(path)

    def open_session(self, path: Path) -> None:
        """Go on from a copy of the session."""
        keeper = keeper_of(self._viewer)
        if keeper is not None:
            keeper.open_copy(path)

    def _show_keys(self) -> None:
        show_cheat_sheet(self._viewer)

    @property
    def _window(self) -> QWidget | None:
        # Not the Haiku line: its flat look would make a file dialog unreadable.
        line = self.parentWidget()
        return None if line is None else line.window()

    def _choose_copy(self) -> None:
        place = workspace_of(self._viewer).session.place
        proposed = "" if place is None else str(place.with_name(f"copy of {place.name}"))
        chosen, _ = QFileDialog.getSaveFileName(
            self._window, "Save session as", proposed, f"Sessions (*{SUFFIX})"
        )
        if chosen:
            self.save_copy(Path(chosen))

    def _choose_session(self) -> None:
        place = workspace_of(self._viewer).session.place
        chosen = QFileDialog.getExistingDirectory(
            self._window,
            f"Open session: a folder whose name ends in {SUFFIX}",
            "" if place is None else str(place.parent),
        )
        if chosen:
            self.open_session(Path(chosen))

    def _enable(self) -> None:
        workspace = workspace_of(self._viewer)
        live = workspace.session.live
        self.entries["Save session as..."].setEnabled(live)
        self.entries["Open session..."].setEnabled(live and workspace.encoding is not None)


def add_to_help(viewer: napari.Viewer, menu: HaikuMenu) -> bool:
    """Put the menu under Help; False where napari's window has no such menu."""
    help_menu: Any = getattr(getattr(viewer, "window", None), "help_menu", None)
    help_menu = getattr(help_menu, "__wrapped__", help_menu)
    if not isinstance(help_menu, QMenu):
        return False
    for action in help_menu.actions():
        if action.text() == menu.title():
            help_menu.removeAction(action)
    help_menu.addMenu(menu)
    return True
