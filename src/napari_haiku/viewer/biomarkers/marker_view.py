"""Putting marker maps into a viewer: one, two side by side, or several blended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.viewer.biomarkers.map_layers import DIFFERENCE, MARKER_SLOTS, MEASURED, PREDICTED
from napari_haiku.viewer.layers.blending import BLEND_SLOTS, MOST_BLENDED, blend_layers
from napari_haiku.viewer.layers.captions import caption
from napari_haiku.viewer.layers.layer_slots import SLOT, drop_layer
from napari_haiku.viewer.layers.map_layer import show_map
from napari_haiku.viewer.layers.one_map import MAP_SLOTS, show_only
from napari_haiku.viewer.layers.several import drop_several, show_several
from napari_haiku.viewer.layers.side_by_side import MOST_VIEWS, side_by_side_of
from napari_haiku.viewer.layers.stacking import SEVERAL_SLOTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari

    from napari_haiku.viewer.biomarkers.marker_maps import MapSettings, MarkerMaps


class MarkerView:
    """The marker maps of one viewer.

    Parameters
    ----------
    viewer : napari.Viewer
        Where they are shown.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer

    @property
    def in_view(self) -> bool:
        """Whether maps of markers, and no other question's, are what the canvas shows."""
        own = {*MARKER_SLOTS, *BLEND_SLOTS, *SEVERAL_SLOTS}
        shown = {layer.metadata.get(SLOT) for layer in self._viewer.layers if layer.visible}
        return bool(shown & own) and not shown & (MAP_SLOTS - own)

    def show(self, maps: MarkerMaps, marker: str, settings: MapSettings) -> None:
        """Show one marker as the settings say, and nothing else."""
        drop_several(self._viewer)
        for slot in BLEND_SLOTS:
            drop_layer(self._viewer, slot)
        wanted = maps.layers(marker, settings)
        slots = {layer.slot for layer in wanted}
        both = {PREDICTED, MEASURED} <= slots
        for layer in wanted:
            shown = show_map(self._viewer, layer)
            if layer.slot in (PREDICTED, MEASURED, DIFFERENCE):
                caption(shown, colour_bar=layer.slot != MEASURED or not both)
        show_only(self._viewer, slots, two_views=both)
        if both:
            side_by_side_of(self._viewer).show((MEASURED,))

    def blend(self, maps: MarkerMaps, markers: Sequence[str], settings: MapSettings) -> None:
        """Show up to three predicted markers over each other."""
        chosen = list(markers)[:MOST_BLENDED]
        layers = blend_layers(
            maps.grid,
            chosen,
            [maps.on_every_patch(marker) for marker in chosen],
            [maps.limits(marker, settings) for marker in chosen],
        )
        drop_several(self._viewer)
        for layer in layers:
            caption(show_map(self._viewer, layer), colour_bar=False)
        show_only(self._viewer, {layer.slot for layer in layers})

    def several(self, maps: MarkerMaps, markers: Sequence[str], settings: MapSettings) -> None:
        """Show up to six markers in linked views, each with its own colour bar."""
        # A map of the same name would stand in the list and on the canvas twice.
        for slot in (*BLEND_SLOTS, PREDICTED, MEASURED, DIFFERENCE):
            drop_layer(self._viewer, slot)
        layers = [maps.one_layer(marker, settings) for marker in list(markers)[:MOST_VIEWS]]
        show_several(self._viewer, layers, maps.outside if settings.hatch else None)

    def remove(self) -> None:
        """Take the marker maps out of the viewer."""
        side_by_side_of(self._viewer).hide()
        drop_several(self._viewer)
        for slot in (*MARKER_SLOTS, *BLEND_SLOTS):
            drop_layer(self._viewer, slot)
