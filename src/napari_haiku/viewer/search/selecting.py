"""Clicking tissue in the canvas selects the patch under the pointer and rings it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from napari_haiku.viewer.layers.placement import patch_at
from napari_haiku.viewer.search.query_layers import fit_rings, hide_query, show_query
from napari_haiku.viewer.workspace import Workspace, workspace_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import napari

_MOVED_PX = 4
_PAN = "pan_zoom"


class _Clicks:
    """The click callback of one viewer and how many docks want it."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        self.users = 0

    def start(self) -> None:
        viewer = self._viewer()
        if viewer is not None:
            viewer.mouse_drag_callbacks.append(self.on_press)
            workspace_of(viewer).events.selection.connect(self.ring)
            viewer.scene.camera.events.zoom.connect(self.fit)

    def stop(self) -> None:
        viewer = self._viewer()
        if viewer is not None:
            workspace_of(viewer).events.selection.disconnect(self.ring)
            viewer.scene.camera.events.zoom.disconnect(self.fit)
            if self.on_press in viewer.mouse_drag_callbacks:
                viewer.mouse_drag_callbacks.remove(self.on_press)

    def ring(self, selection: int | None) -> None:
        """Draw the ring around the patch selected, at once."""
        viewer = self._viewer()
        if viewer is None:
            return
        encoding = workspace_of(viewer).encoding
        if selection is None or encoding is None:
            hide_query(viewer)
        else:
            x, y = encoding.centres_um[selection]
            show_query(viewer, float(x), float(y), encoding.patch_um)

    def fit(self, *_: object) -> None:
        """Keep the rings in view while the user zooms."""
        viewer = self._viewer()
        if viewer is not None:
            fit_rings(viewer)

    def on_press(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        """Tell a click from a drag; a click selects."""
        if event.button != 1 or event.modifiers or not _is_panning(viewer):
            return
        start = event.pos
        yield
        while event.type == "mouse_move":
            if abs(event.pos - start).max() > _MOVED_PX:
                return
            yield
        position = event.position[-2:]
        select_at(workspace_of(viewer), x_um=float(position[1]), y_um=float(position[0]))


_clicks: WeakKeyDictionary[Any, _Clicks] = WeakKeyDictionary()


def follow_clicks(viewer: napari.Viewer) -> Callable[[], None]:
    """Let clicks on the canvas select patches of the workspace's encoding.

    Any number of docks may ask; the canvas is listened to once. A click is a
    press of the left button without modifier or movement while the active
    layer is in its pan and zoom mode, so that painting and drawing stay as
    they are.

    Returns
    -------
    callable
        Call it when the dock closes; the last one stops the listening.
    """
    real = getattr(viewer, "__wrapped__", viewer)
    clicks = _clicks.setdefault(real, _Clicks(real))
    clicks.users += 1
    if clicks.users == 1:
        clicks.start()
    left = False

    def leave() -> None:
        nonlocal left
        if left:
            return
        left = True
        clicks.users -= 1
        if clicks.users == 0:
            clicks.stop()

    return leave


def select_at(workspace: Workspace, *, x_um: float, y_um: float) -> int | None:
    """Select the patch at a position; on glass, emit ``events.glass`` with the distance.

    The patch that is selected already is told again: a click always answers.

    Returns
    -------
    int or None
        The row selected.
    """
    encoding = workspace.encoding
    if encoding is None:
        return None
    index, distance = patch_at(encoding.grid, x_um, y_um)
    if index is None:
        workspace.events.glass.emit(distance)
    elif index == workspace.selection:
        workspace.events.selection.emit(index)
    else:
        workspace.selection = index
    return index


def _is_panning(viewer: Any) -> bool:
    active = viewer.layers.selection.active
    return active is None or str(active.mode) == _PAN
