"""Two maps of one marker side by side in linked views, each with the tissue beneath."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from napari_haiku.viewer.layers.layer_slots import SLOT, layer_in_slot
from napari_haiku.viewer.layers.stacking import stack_layers
from napari_haiku.viewer.search.query_layers import QUERY
from napari_haiku.viewer.slides.adopt import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import napari
    from napari.layers import Layer

TWIN = "beside "
_SPACING_PX = 8


class SideBySide:
    """Shows the layers of some slots in a second view at the right of everything else.

    napari's grid deals the layer list out by position, so the layers of the
    right view are moved to the top of the list; every visible image of the
    slide, and the ring, gets a twin there that shares its data. Hiding undoes
    all of it.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer, not a proxy of it.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        self._right: tuple[str, ...] = ()
        self._before: dict[str, Any] = {}
        self._arranging = False

    @property
    def shown(self) -> bool:
        """Whether there are two views now."""
        return bool(self._right)

    def show(self, slots: Sequence[str]) -> None:
        """Show the layers of these slots in a view of their own.

        Parameters
        ----------
        slots : sequence of str
            Slots of existing layers, bottom first.
        """
        viewer = self._viewer()
        if viewer is None:
            return
        already = self.shown
        grid = viewer.canvas.grid
        if not already:
            self._before = {name: getattr(grid, name) for name in ("stride", "shape", "spacing")}
        self._right = tuple(slots)
        self._arrange()
        grid.shape = (1, 2)
        grid.spacing = _SPACING_PX
        grid.enabled = True
        if not already:
            viewer.layers.events.inserted.connect(self._arrange)
            viewer.layers.events.removed.connect(self._arrange)
            viewer.fit_to_view()

    def hide(self) -> None:
        """Go back to one view, with the maps in their usual order."""
        viewer = self._viewer()
        if viewer is None or not self.shown:
            return
        viewer.layers.events.inserted.disconnect(self._arrange)
        viewer.layers.events.removed.disconnect(self._arrange)
        viewer.canvas.grid.enabled = False
        for name, value in self._before.items():
            setattr(viewer.canvas.grid, name, value)
        with self._quiet():
            for twin in _twins(viewer):
                viewer.layers.remove(twin)
            stack_layers(viewer)
        self._right = ()
        viewer.fit_to_view()

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        self._arranging = True
        try:
            yield
        finally:
            self._arranging = False

    def _arrange(self, *_: object) -> None:
        viewer = self._viewer()
        if viewer is None or self._arranging:
            return
        with self._quiet():
            _match_twins(viewer)
            maps = [layer_in_slot(viewer, slot) for slot in self._right]
            twins = _twins(viewer)
            # The ring lies above the map, the slide beneath.
            right = [layer for layer in twins if type(layer).__name__ == "Image"]
            right += [layer for layer in maps if layer is not None]
            right += [layer for layer in twins if type(layer).__name__ != "Image"]
            for layer in right:
                viewer.layers.move(viewer.layers.index(layer), len(viewer.layers))
            # The left view takes the rest; a stride below the right view's size would split it.
            viewer.canvas.grid.stride = max(len(viewer.layers) - len(right), len(right), 1)


def _twins(viewer: napari.Viewer) -> list[Layer]:
    return [layer for layer in viewer.layers if str(layer.metadata.get(SLOT, "")).startswith(TWIN)]


def _match_twins(viewer: napari.Viewer) -> None:
    """Make the missing twins of the slide and of the ring, and remove the orphaned ones."""
    originals = {f"{TWIN}{id(layer)}": layer for layer in viewer.layers if _is_shared(layer)}
    present = {str(twin.metadata[SLOT]) for twin in _twins(viewer)}
    for twin in _twins(viewer):
        if twin.metadata[SLOT] not in originals:
            viewer.layers.remove(twin)
    active = viewer.layers.selection.active
    for slot, layer in originals.items():
        if slot in present:
            continue
        data, state, kind = layer.as_layer_data_tuple()
        state = {**state, "name": f"{layer.name} (right view)", "metadata": {SLOT: slot}}
        twin = viewer.add_layer(type(layer).create(data, state, kind))
        if layer.metadata.get(SLOT) == QUERY:
            _follow_ring(layer, twin)
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active


def _is_shared(layer: Layer) -> bool:
    """Whether a layer belongs into both views: visible images of the slide, and the ring."""
    if not layer.visible or str(layer.metadata.get(SLOT, "")).startswith(TWIN):
        return False
    if layer.metadata.get(SLOT) == QUERY:
        return True
    of_slide = SLOT not in layer.metadata or IMAGE in layer.metadata
    return of_slide and type(layer).__name__ == "Image"


def _follow_ring(ring: Layer, twin: Layer) -> None:
    twin_of = ref(twin)

    def move() -> None:
        other = twin_of()
        if other is None:
            ring.events.data.disconnect(move)
        else:
            other.data = ring.data

    ring.events.data.connect(move)


_views: WeakKeyDictionary[Any, SideBySide] = WeakKeyDictionary()


def side_by_side_of(viewer: napari.Viewer) -> SideBySide:
    """Give the two views of a viewer, made at the first call."""
    real = getattr(viewer, "__wrapped__", viewer)
    if real not in _views:
        _views[real] = SideBySide(real)
    return _views[real]
