"""Correcting niches on the canvas: what is painted there is read back, undo included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.niches.niche_edits import MOST_NICHES
from napari_haiku.viewer.niches.niche_layers import NICHES

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from numpy.typing import NDArray

    from napari_haiku.images.grid import PatchGrid

PAINT, PAN = "paint", "pan_zoom"
_SETTLE_MS = 60


class NicheBrush(QObject):
    """Watches the Niches layer of a viewer and writes into it so that Ctrl+Z takes it back.

    The layer keeps the undo steps; this only compares what it holds with what
    was drawn last.

    Signals
    -------
    painted : (labels)
        Patches belong to other niches now, by brush, by :meth:`write` or by undo.
    mode_changed : (bool)
        Whether the brush is in hand.
    """

    painted = Signal(object)
    mode_changed = Signal(bool)

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Any = None
        self._grid: PatchGrid | None = None
        self._known: NDArray[np.int64] | None = None
        self._connected: list[tuple[Any, Callable[..., object]]] = []
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(_SETTLE_MS)
        self._settling.timeout.connect(self._compare)

    @property
    def active(self) -> bool:
        """Whether the brush is in hand."""
        return self._layer is not None and str(self._layer.mode) != PAN

    def watch(self, grid: PatchGrid, labels: NDArray[np.integer]) -> None:
        """Take note of what was drawn; the layer in place is watched from now on."""
        self._grid, self._known = grid, np.array(labels, np.int64)
        layer = layer_in_slot(self._viewer, NICHES)
        if layer is self._layer:
            return
        self._let_go()
        self._layer = layer
        if layer is None:
            return
        events = layer.events
        for signal, slot in (
            (events.paint, self._soon),
            (events.labels_update, self._soon),
            (events.set_data, self._soon),
            (events.mode, self._on_mode),
        ):
            signal.connect(slot)
            self._connected.append((signal, slot))

    def leave(self) -> None:
        """Let go of the layer; what was painted in the last moment is still read."""
        if self._settling.isActive():
            self._settling.stop()
            self._compare()
        self._let_go()
        self._layer = self._grid = self._known = None

    def forget_steps(self) -> None:
        """Drop the layer's undo steps: they belong to niches that are gone."""
        if self._layer is not None:
            # The public way to it: a layer that cannot be edited keeps no steps.
            self._layer.editable = False
            self._layer.editable = True

    def take_up(self, niche: int) -> None:
        """Put a brush of one patch with a niche's colour into the user's hand."""
        layer = self._layer
        if layer is None:
            return
        self._viewer.layers.selection.active = layer
        layer.brush_size = 1
        layer.selected_label = niche
        layer.mode = PAINT

    def put_down(self) -> None:
        """Go back to clicking and panning."""
        if self.active:
            self._layer.mode = PAN

    def write(self, labels: NDArray[np.integer]) -> None:
        """Give patches other niches as if they had been painted, in one undo step."""
        if self._layer is None or self._grid is None or self._known is None:
            return
        changed = np.flatnonzero(labels != self._known)
        if len(changed):
            where = (self._grid.rows[changed], self._grid.cols[changed])
            self._layer.data_setitem(where, [int(label) for label in labels[changed]])
            self._compare()

    def _soon(self, *_: object) -> None:
        self._settling.start()

    def _compare(self) -> None:
        if self._layer is None or self._grid is None or self._known is None:
            return
        data = np.asarray(self._layer.data)
        if data.shape != self._grid.shape:
            return
        now = data[self._grid.rows, self._grid.cols].astype(np.int64)
        # Every patch keeps a niche: the eraser and numbers without a colour change nothing.
        now = np.where((now >= 1) & (now <= MOST_NICHES), now, self._known)
        self._clear_glass(data, now)
        if not np.array_equal(now, self._known):
            self._known = now
            self.painted.emit(now)

    def _clear_glass(self, data: NDArray[np.integer], labels: NDArray[np.int64]) -> None:
        if self._grid is None:
            return
        wanted = np.zeros(self._grid.shape, data.dtype)
        wanted[self._grid.rows, self._grid.cols] = labels
        if not np.array_equal(wanted, data):
            data[...] = wanted
            self._layer.refresh()

    def _on_mode(self, *_: object) -> None:
        self.mode_changed.emit(self.active)

    def _let_go(self) -> None:
        self._settling.stop()
        for signal, slot in self._connected:
            signal.disconnect(slot)
        self._connected.clear()
