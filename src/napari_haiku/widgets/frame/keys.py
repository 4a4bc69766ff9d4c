"""The keys of the workbench: what each does, bound to a viewer while any dock is open."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from weakref import ReferenceType, WeakKeyDictionary, ref

from napari_haiku.viewer.layers.top_map import (
    dim_slide,
    fade_top_map,
    swap_maps,
    toggle_top_map,
)
from napari_haiku.viewer.search.selecting import select_at
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.frame.navigation import BIOMARKERS, DOCKS, raise_dock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import napari

_PEEK_S = 0.4


@dataclass(frozen=True)
class Key:
    """One key.

    Parameters
    ----------
    keys : str
        As napari writes them.
    action : str
        Name under which docks offer what it does.
    words : str
        What the cheat sheet says.
    """

    keys: str
    action: str
    words: str


KEYS = (
    Key("H", "find similar", "Find tissue similar to what is under the pointer"),
    Key("N", "next hit", "Next hit"),
    Key("Shift-N", "previous hit", "Previous hit"),
    Key("J", "back to the query", "Back to what was asked"),
    Key("K", "keep", "Keep the marked hit"),
    Key("G", "evidence", "Evidence for the patch under the pointer"),
    Key("W", "map", "Hide or show the top map (hold to peek)"),
    Key("Shift-W", "dim", "Dim or undim the slide"),
    Key(",", "fainter", "Map less opaque"),
    Key(".", "stronger", "Map more opaque"),
    Key("Q", "swap", "Swap predicted and measured"),
    Key("U", "undo", "Undo the last edit of the record"),
    Key("Shift-U", "redo", "Redo it"),
    *(Key(f"Alt-{n}", name, f"Go to {name}") for n, name in enumerate(DOCKS, start=1)),
    Key("Shift-H", "cheat sheet", "This cheat sheet"),
)
IN_A_DOCK = (
    ("Ctrl+Enter", "Press the blue button of the dock"),
    ("Esc", "Cancel what is running; finished work is kept"),
)


class Answering(Protocol):
    """What answers keys: a dock."""

    def key_actions(self) -> dict[str, Callable[[], object]]:
        """Name what is done for which action."""
        ...


class KeyDesk:
    """Who answers which key of one viewer; neither viewer nor docks are kept alive.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer, not a proxy of it.
    """

    def __init__(self, viewer: Any) -> None:
        self._docks: list[ReferenceType[Answering]] = []
        for key in KEYS:
            binding = self._peek if key.action == "map" else self._presser(key.action)
            viewer.bind_key(key.keys, binding, overwrite=True)

    @property
    def docks(self) -> list[Answering]:
        """Docks that are there, the last to come first."""
        found = [dock() for dock in reversed(self._docks)]
        return [dock for dock in found if dock is not None]

    def join(self, dock: Answering) -> None:
        """Let a dock answer; it is asked before those that came earlier."""
        self._docks.append(ref(dock))

    def leave(self, viewer: Any, dock: Answering) -> None:
        """Ask a dock no more; the last one takes the keys with it."""
        self._docks = [one for one in self._docks if one() not in (dock, None)]
        if not self._docks and viewer is not None:
            for key in KEYS:
                viewer.bind_key(key.keys, None, overwrite=True)

    def press(self, viewer: Any, action: str) -> None:
        """Do what a key does, if anybody answers it."""
        for dock in self.docks:
            slot = dock.key_actions().get(action)
            if slot is not None:
                slot()
                return
        own: dict[str, Callable[[Any], object]] = {
            "dim": dim_slide,
            "fainter": lambda viewer: fade_top_map(viewer, -0.1),
            "stronger": lambda viewer: fade_top_map(viewer, 0.1),
            "swap": swap_maps,
            "evidence": _show_evidence,
            "cheat sheet": _show_sheet,
        }
        if action in DOCKS:
            raise_dock(viewer, action)
        elif action in own:
            own[action](viewer)

    def _presser(self, action: str) -> Callable[[Any], None]:
        def pressed(viewer: Any) -> None:
            self.press(viewer, action)

        return pressed

    def _peek(self, viewer: Any) -> Generator[None, None, None]:
        """Toggle the top map; held longer than a moment, it comes back on release."""
        pressed = time.monotonic()
        toggle_top_map(viewer)
        yield
        if time.monotonic() - pressed > _PEEK_S:
            toggle_top_map(viewer)


def _show_evidence(viewer: Any) -> None:
    y, x = viewer.cursor.position[-2:]
    if select_at(workspace_of(viewer), x_um=float(x), y_um=float(y)) is not None:
        raise_dock(viewer, BIOMARKERS)


def _show_sheet(viewer: Any) -> None:
    from napari_haiku.widgets.frame.cheat_sheet import show_cheat_sheet

    show_cheat_sheet(viewer)


_desks: WeakKeyDictionary[Any, KeyDesk] = WeakKeyDictionary()


def bind_keys(viewer: napari.Viewer, dock: Answering) -> Callable[[], None]:
    """Have the keys bound as long as any dock is open, and let one more answer them.

    Returns
    -------
    callable
        Call it when the dock closes; the last one frees the keys.
    """
    real = getattr(viewer, "__wrapped__", viewer)
    desk = _desks.get(real)
    if desk is None or not desk.docks:
        desk = _desks[real] = KeyDesk(real)
    desk.join(dock)
    its, viewers = ref(dock), ref(real)

    def leave() -> None:
        there = its()
        if there is not None:
            desk.leave(viewers(), there)

    return leave
