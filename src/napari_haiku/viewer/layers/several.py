"""Several maps of one kind at once, each in a view of its own: markers, or scenarios."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_haiku.viewer.biomarkers.map_layers import OUTSIDE
from napari_haiku.viewer.layers.captions import caption
from napari_haiku.viewer.layers.layer_slots import drop_layer
from napari_haiku.viewer.layers.map_layer import show_map
from napari_haiku.viewer.layers.one_map import show_only
from napari_haiku.viewer.layers.side_by_side import MOST_VIEWS, side_by_side_of
from napari_haiku.viewer.layers.stacking import SEVERAL_SLOTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari

    from napari_haiku.viewer.layers.map_layer import MapLayer


def show_several(
    viewer: napari.Viewer,
    maps: Sequence[MapLayer],
    hatching: MapLayer | None,
    *,
    one_bar: bool = False,
) -> None:
    """Show maps in linked views, left to right, top to bottom, and nothing else.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    maps : sequence of MapLayer
        One to six maps; whatever slots they carry, each gets one for its view.
    hatching : MapLayer or None
        Unknown tissue, hatched in every view.
    one_bar : bool
        Whether one colour bar speaks for all.
    """
    wanted = [
        replace(layer, slot=slot)
        for slot, layer in zip(SEVERAL_SLOTS, maps[:MOST_VIEWS], strict=False)
    ]
    views = side_by_side_of(viewer)
    if views.shown:
        # Views of other maps would be dealt out among these.
        views.hide()
    drop_several(viewer, keep=len(wanted))
    for place, layer in enumerate(wanted):
        caption(show_map(viewer, layer), colour_bar=place == 0 or not one_bar)
    slots = {layer.slot for layer in wanted}
    if hatching is not None:
        show_map(viewer, hatching)
        slots.add(OUTSIDE)
    show_only(viewer, slots)
    if len(wanted) > 1:
        views.show(*((layer.slot,) for layer in wanted[1:]), shared={OUTSIDE})


def drop_several(viewer: napari.Viewer, keep: int = 0) -> None:
    """Take the maps out of the viewer, or those beyond the first few."""
    for slot in SEVERAL_SLOTS[keep:]:
        drop_layer(viewer, slot)
