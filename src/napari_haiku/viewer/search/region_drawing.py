"""Drawing a box or a lasso on the canvas to ask about the patches inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from weakref import ref

import numpy as np

from napari_haiku.viewer.layers.layer_slots import drop_layer, layer_in_slot, put_layer
from napari_haiku.viewer.layers.placement import AXES, UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import napari
    from numpy.typing import NDArray

REGION = "query region"
Kind = Literal["box", "lasso"]
_MOVED_PX, _STEP_PX = 4, 3
_PAN = "pan_zoom"


class RegionDrawing:
    """Takes the drags of a viewer while a box or a lasso is wanted.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer, or a proxy of it.
    drawn : callable
        Receives the outline, shape (n, 2), (x, y) in um.
    """

    def __init__(self, viewer: Any, drawn: Callable[[NDArray[np.float64]], object]) -> None:
        self._viewer = ref(getattr(viewer, "__wrapped__", viewer))
        self._drawn = drawn
        self._kind: Kind | None = None

    @property
    def kind(self) -> Kind | None:
        """What a drag draws; None while drags pan."""
        return self._kind

    def take(self, kind: Kind | None) -> None:
        """Let drags draw a box or a lasso, or (None) pan again."""
        viewer = self._viewer()
        if viewer is None or kind == self._kind:
            return
        if self._kind is None:
            viewer.mouse_drag_callbacks.append(self.on_press)
        elif kind is None and self.on_press in viewer.mouse_drag_callbacks:
            viewer.mouse_drag_callbacks.remove(self.on_press)
        self._kind = kind
        viewer.scene.camera.mouse_pan = kind is None

    def on_press(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        """Follow a drag of the left button and tell its outline."""
        active = viewer.layers.selection.active
        panning = active is None or str(active.mode) == _PAN
        if self._kind is None or event.button != 1 or event.modifiers or not panning:
            return
        kind, start_px, last_px = self._kind, event.pos, event.pos
        points = [_position(event)]
        yield
        moved = False
        while event.type == "mouse_move":
            moved = moved or bool(np.abs(event.pos - start_px).max() > _MOVED_PX)
            if moved and np.abs(event.pos - last_px).max() >= _STEP_PX:
                last_px = event.pos
                points.append(_position(event))
                outline = _outline(kind, points)
                if outline is not None:
                    show_region(viewer, outline)
            yield
        outline = _outline(kind, points)
        if moved and outline is not None:
            show_region(viewer, outline)
            self._drawn(outline)


def show_region(viewer: napari.Viewer, outline_um: NDArray[np.float64]) -> None:
    """Draw the outline of what is asked about: white on black."""
    closed = np.vstack([outline_um, outline_um[:1]])[:, ::-1]
    layer = layer_in_slot(viewer, REGION)
    zoom = viewer.scene.camera.zoom or 1.0
    if layer is None:
        layer = put_layer(
            viewer,
            "shapes",
            REGION,
            [closed],
            name="Query region",
            shape_type="path",
            edge_color="white",
            face_color="transparent",
            edge_width=2.5 / zoom,
            units=UNITS,
            axis_labels=AXES,
        )
        layer.editable = False
        return
    layer.selected_data = set()
    # napari has no way of swapping the one path for another of a different length.
    layer.data = []
    layer.add(closed, shape_type="path", edge_width=2.5 / zoom, edge_color="white")
    layer.visible = True


def hide_region(viewer: napari.Viewer) -> None:
    """Take the outline away."""
    drop_layer(viewer, REGION)


def _outline(kind: Kind, points: list[NDArray[np.float64]]) -> NDArray[np.float64] | None:
    first, last = points[0], points[-1]
    if kind == "box":
        if (first == last).any():
            return None
        (x0, y0), (x1, y1) = first, last
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    return np.array(points) if len(points) >= 3 else None


def _position(event: Any) -> NDArray[np.float64]:
    y, x = event.position[-2:]
    return np.array([float(x), float(y)])
