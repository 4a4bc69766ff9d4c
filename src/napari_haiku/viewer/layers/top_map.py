"""The map that lies uppermost: hidden, shown and faded by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.viewer.biomarkers.map_layers import MEASURED, PREDICTED
from napari_haiku.viewer.layers.layer_slots import SLOT, layer_in_slot
from napari_haiku.viewer.layers.one_map import MAP_SLOTS, UNDER_A_MAP_OPACITY
from napari_haiku.viewer.search.query_layers import HITS
from napari_haiku.viewer.slides.adopt import IMAGE

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

_PUT_AWAY = "napari_haiku_put_away"


def top_map(viewer: napari.Viewer) -> Layer | None:
    """Give the map that was put away and is still hidden, or the uppermost visible one."""
    maps = [
        layer
        for layer in reversed(viewer.layers)
        if layer.metadata.get(SLOT) in MAP_SLOTS and layer.metadata[SLOT] != HITS
    ]
    away = (layer for layer in maps if layer.metadata.get(_PUT_AWAY) and not layer.visible)
    return next(away, None) or next((layer for layer in maps if layer.visible), None)


def toggle_top_map(viewer: napari.Viewer) -> None:
    """Hide the top map, or show it again."""
    layer = top_map(viewer)
    if layer is not None:
        for other in viewer.layers:
            other.metadata.pop(_PUT_AWAY, None)
        layer.visible = not layer.visible
        if not layer.visible:
            layer.metadata[_PUT_AWAY] = True


def swap_maps(viewer: napari.Viewer) -> None:
    """Show the measured map in the place of the predicted one, or the other way round."""
    predicted, measured = layer_in_slot(viewer, PREDICTED), layer_in_slot(viewer, MEASURED)
    if predicted is None or measured is None or predicted.visible == measured.visible:
        return
    predicted.visible, measured.visible = measured.visible, predicted.visible


def fade_top_map(viewer: napari.Viewer, by: float) -> None:
    """Make the top map more or less opaque."""
    layer = top_map(viewer)
    if layer is not None:
        layer.opacity = float(min(max(round(layer.opacity + by, 2), 0.0), 1.0))


def dim_slide(viewer: napari.Viewer) -> None:
    """Dim the slide's colour images beneath the maps, or bring them back."""
    images = [
        layer
        for layer in viewer.layers
        if getattr(layer, "rgb", False) and (SLOT not in layer.metadata or IMAGE in layer.metadata)
    ]
    dimmed = any(layer.opacity < 1.0 for layer in images)
    for layer in images:
        layer.opacity = 1.0 if dimmed else UNDER_A_MAP_OPACITY
