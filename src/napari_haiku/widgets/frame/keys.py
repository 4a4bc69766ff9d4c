"""The keys of the workbench: what each does, bound to a viewer while any dock is open."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

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


class KeyDesk:
    """Who answers which key of one viewer.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer, not a proxy of it.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._offers: dict[str, list[Callable[[], object]]] = {}
        self.users = 0
        own: dict[str, Callable[[], object]] = {
            "dim": lambda: dim_slide(viewer),
            "fainter": lambda: fade_top_map(viewer, -0.1),
            "stronger": lambda: fade_top_map(viewer, 0.1),
            "swap": lambda: swap_maps(viewer),
            "evidence": self._show_evidence,
            "cheat sheet": self._show_sheet,
        }
        for name in DOCKS:
            own[name] = partial(raise_dock, viewer, name)
        for action, slot in own.items():
            self.offer(action, slot)
        for key in KEYS:
            binding = self._peek if key.action == "map" else self._presser(key.action)
            viewer.bind_key(key.keys, binding, overwrite=True)

    def offer(self, action: str, slot: Callable[[], object]) -> Callable[[], None]:
        """Answer a key; the last to offer is asked first.

        Returns
        -------
        callable
            Call it to answer no more.
        """
        slots = self._offers.setdefault(action, [])
        slots.append(slot)

        def leave() -> None:
            if slot in slots:
                slots.remove(slot)

        return leave

    def press(self, action: str) -> None:
        """Do what a key does, if any dock answers it."""
        slots = self._offers.get(action)
        if slots:
            slots[-1]()

    def release(self) -> None:
        """Take the keys back from the viewer."""
        for key in KEYS:
            self._viewer.bind_key(key.keys, None, overwrite=True)

    def _presser(self, action: str) -> Callable[[Any], None]:
        def pressed(_viewer: Any) -> None:
            self.press(action)

        return pressed

    def _peek(self, viewer: Any) -> Generator[None, None, None]:
        """Toggle the top map; held longer than a moment, it comes back on release."""
        pressed = time.monotonic()
        toggle_top_map(viewer)
        yield
        if time.monotonic() - pressed > _PEEK_S:
            toggle_top_map(viewer)

    def _show_evidence(self) -> None:
        y, x = self._viewer.cursor.position[-2:]
        if select_at(workspace_of(self._viewer), x_um=float(x), y_um=float(y)) is not None:
            raise_dock(self._viewer, BIOMARKERS)

    def _show_sheet(self) -> None:
        from napari_haiku.widgets.frame.cheat_sheet import show_cheat_sheet

        show_cheat_sheet(self._viewer)


_desks: WeakKeyDictionary[Any, KeyDesk] = WeakKeyDictionary()


def bind_keys(
    viewer: napari.Viewer, actions: dict[str, Callable[[], object]]
) -> Callable[[], None]:
    """Have the keys bound as long as any dock is open, and answer some of them.

    Returns
    -------
    callable
        Call it when the dock closes; the last one frees the keys.
    """
    real = getattr(viewer, "__wrapped__", viewer)
    desk = _desks.get(real)
    if desk is None:
        desk = _desks[real] = KeyDesk(real)
    desk.users += 1
    leaves = [desk.offer(action, slot) for action, slot in actions.items()]
    left = False

    def leave() -> None:
        nonlocal left
        if left:
            return
        left = True
        for one in leaves:
            one()
        desk.users -= 1
        if desk.users == 0:
            desk.release()
            _desks.pop(real, None)

    return leave
