"""Maps side by side in linked views, each with the tissue beneath."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from napari_haiku.viewer.layers.layer_slots import SLOT, layer_in_slot
from napari_haiku.viewer.layers.stacking import stack_layers
from napari_haiku.viewer.search.query_layers import QUERY, ring_metadata
from napari_haiku.viewer.slides.adopt import IMAGE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import napari
    from napari.layers import Layer

TWIN = "beside "
SPACER = f"{TWIN}spacer"
_SPACING_PX = 8
# Views -> rows and columns.
_SHAPES = {2: (1, 2), 3: (1, 3), 4: (2, 2), 5: (2, 3), 6: (2, 3)}
MOST_VIEWS = max(_SHAPES)


class SideBySide:
    """Shows the layers of some slots in views of their own, beside everything else.

    napari's grid deals the layer list out by position, so the layers of the
    further views are moved to the top of the list; every visible image of the
    slide, and the ring, gets a twin there that shares its data. Hiding undoes
    all of it.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer, not a proxy of it.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        self._groups: tuple[tuple[str, ...], ...] = ()
        self._shared: frozenset[str] = frozenset()
        self._order: list[Any] = []
        self._before: dict[str, Any] = {}
        self._arranging = False

    @property
    def shown(self) -> bool:
        """Whether there are several views now."""
        return bool(self._groups)

    def show(self, *groups: Sequence[str], shared: Collection[str] = ()) -> None:
        """Show the layers of these slots in views of their own.

        Parameters
        ----------
        *groups : sequence of str
            Slots of existing layers, bottom first, one group a further view; at
            most five.
        shared : collection of str
            Slots whose layers are shown in every view, above the maps.
        """
        viewer = self._viewer()
        if viewer is None:
            return
        # Here, because that module in turn asks this one to make room.
        from napari_haiku.viewer.search.slide_beside import hide_beside

        hide_beside(viewer)
        already = self.shown
        grid = viewer.canvas.grid
        if not already:
            self._before = {name: getattr(grid, name) for name in ("stride", "shape", "spacing")}
            self._order = [ref(layer) for layer in viewer.layers]
        views = 1 + len(groups)
        again = already and len(self._groups) == len(groups)
        self._groups = tuple(tuple(group) for group in groups)
        self._shared = frozenset(shared)
        self._arrange()
        grid.shape = _SHAPES[views]
        grid.spacing = _SPACING_PX
        grid.enabled = True
        if not already:
            viewer.layers.events.inserted.connect(self._arrange)
            viewer.layers.events.removed.connect(self._arrange)
        if not again:
            viewer.fit_to_view()

    def hide(self) -> None:
        """Go back to one view, with the layers in their usual order."""
        viewer = self._viewer()
        if viewer is None or not self.shown:
            return
        viewer.layers.events.inserted.disconnect(self._arrange)
        viewer.layers.events.removed.disconnect(self._arrange)
        viewer.canvas.grid.enabled = False
        for name, value in self._before.items():
            setattr(viewer.canvas.grid, name, value)
        self._groups, self._shared = (), frozenset()
        with self._quiet():
            for twin in _twins(viewer):
                viewer.layers.remove(twin)
            # Layers that came meanwhile lie on top of those that were there.
            known = [one() for one in self._order]
            there = [layer for layer in known if layer is not None and layer in viewer.layers]
            _put_in_order(viewer, there)
            stack_layers(viewer)
        self._order = []
        viewer.fit_to_view()

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        self._arranging = True
        try:
            yield
        finally:
            self._arranging = False

    def _arrange(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is None or self._arranging or not self._groups:
            return
        gone = getattr(event, "value", None) if getattr(event, "type", "") == "removed" else None
        if gone is not None and str(gone.metadata.get(SLOT, "")).startswith(TWIN):
            # A view is taken apart, or the list cleared: making the twin again would never end.
            self.hide()
            return
        with self._quiet():
            _match_twins(viewer, len(self._groups), self._shared)
            further = [self._view(viewer, place) for place in range(len(self._groups))]
            used = {id(layer) for view in further for layer in view}
            rest = [
                layer
                for layer in viewer.layers
                if id(layer) not in used and layer.metadata.get(SLOT) != SPACER
            ]
            if len(further) == 1:
                # The left view takes the rest; a stride below the right view's size would split it.
                _put_in_order(viewer, [*rest, *further[0]])
                viewer.canvas.grid.stride = max(len(rest), len(further[0]), 1)
                return
            # Several views need blocks of one length; hidden layers on top open no view.
            first = [layer for layer in rest if layer.visible]
            views = [first, *further]
            length = max(1, *(len(view) for view in views))
            spacers = _spacers(viewer, sum(length - len(view) for view in views))
            order = []
            for view in views:
                filling = [next(spacers) for _ in range(length - len(view))]
                order += [*filling, *view]
            _put_in_order(viewer, [*order, *(layer for layer in rest if not layer.visible)])
            viewer.canvas.grid.stride = length

    def _view(self, viewer: napari.Viewer, place: int) -> list[Layer]:
        maps = [layer_in_slot(viewer, slot) for slot in self._groups[place]]
        twins = [
            layer
            for layer in _twins(viewer)
            if str(layer.metadata[SLOT]).startswith(f"{TWIN}{place} ")
        ]
        # The ring and the hatching lie above the map, the slide beneath.
        return [
            *(layer for layer in twins if _is_image_of_slide(layer)),
            *(layer for layer in maps if layer is not None),
            *(layer for layer in twins if not _is_image_of_slide(layer)),
        ]


def _put_in_order(viewer: napari.Viewer, wanted: Sequence[Layer]) -> None:
    for place, layer in enumerate(wanted):
        index = viewer.layers.index(layer)
        if index != place:
            viewer.layers.move(index, place)


def _twins(viewer: napari.Viewer) -> list[Layer]:
    return [layer for layer in viewer.layers if str(layer.metadata.get(SLOT, "")).startswith(TWIN)]


def _is_image_of_slide(twin: Layer) -> bool:
    return bool(twin.metadata.get("beneath"))


def _spacers(viewer: napari.Viewer, wanted: int) -> Iterator[Layer]:
    """Give so many empty hidden layers, making and removing them as needed."""
    there = [layer for layer in viewer.layers if layer.metadata.get(SLOT) == SPACER]
    for layer in there[wanted:]:
        viewer.layers.remove(layer)
    active = viewer.layers.selection.active
    like = viewer.layers[0]
    for _ in range(wanted - len(there)):
        there.append(
            viewer.add_points(
                np.empty((0, 2)),
                name="(spacer)",
                visible=False,
                metadata={SLOT: SPACER},
                units=like.units[-2:],
            )
        )
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active
    return iter(there[:wanted])


def _match_twins(viewer: napari.Viewer, views: int, shared: Collection[str]) -> None:
    """Make the missing twins of the slide and of the ring, and remove the orphaned ones."""
    originals = {
        f"{TWIN}{place} {id(layer)}": layer
        for layer in viewer.layers
        if _is_shared(layer, shared)
        for place in range(views)
    }
    for twin in _twins(viewer):
        if twin.metadata[SLOT] not in originals and twin.metadata[SLOT] != SPACER:
            viewer.layers.remove(twin)
    present = {str(twin.metadata[SLOT]): twin for twin in _twins(viewer)}
    active = viewer.layers.selection.active
    for slot, layer in originals.items():
        twin = present.get(slot)
        if twin is not None:
            if layer.metadata.get(SLOT) in shared and twin.data is not layer.data:
                twin.data = layer.data
            continue
        data, state, kind = layer.as_layer_data_tuple()
        which = "right view" if views == 1 else f"view {int(slot.split()[1]) + 2}"
        beneath = layer.metadata.get(SLOT) not in (QUERY, *shared)
        state = {
            **state,
            "name": f"{layer.name} ({which})",
            "metadata": {SLOT: slot, "beneath": beneath},
        }
        if layer.metadata.get(SLOT) == QUERY:
            state["metadata"] |= ring_metadata(layer)
        twin = viewer.add_layer(type(layer).create(data, state, kind))
        if layer.metadata.get(SLOT) == QUERY:
            _follow_ring(layer, twin)
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active


def _is_shared(layer: Layer, shared: Collection[str]) -> bool:
    """Whether a layer belongs into every view: visible images of the slide, and the ring."""
    if not layer.visible or str(layer.metadata.get(SLOT, "")).startswith(TWIN):
        return False
    if layer.metadata.get(SLOT) == QUERY or layer.metadata.get(SLOT) in shared:
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
    """Give the views of a viewer, made at the first call."""
    real = getattr(viewer, "__wrapped__", viewer)
    if real not in _views:
        _views[real] = SideBySide(real)
    return _views[real]
