"""The order of the plugin's own layers, whatever was shown first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.viewer.biomarkers.map_layers import (
    DIFFERENCE,
    DOUBT,
    MEASURED,
    OUTSIDE,
    PREDICTED,
)
from napari_haiku.viewer.counterfactual.shift_layers import SHIFT
from napari_haiku.viewer.layers.blending import BLEND_SLOTS
from napari_haiku.viewer.layers.layer_slots import SLOT
from napari_haiku.viewer.niches.niche_layers import NICHE_SLOTS
from napari_haiku.viewer.search.query_layers import HITS, QUERY, SIMILARITY
from napari_haiku.viewer.slides.slide_layers import PATCHES

if TYPE_CHECKING:
    import napari

# Maps in views of their own, one a view.
SEVERAL_SLOTS = tuple(f"one of several {place}" for place in range(1, 7))

BOTTOM_TO_TOP = (
    PATCHES,
    SIMILARITY,
    *NICHE_SLOTS,
    MEASURED,
    PREDICTED,
    DIFFERENCE,
    *BLEND_SLOTS,
    SHIFT,
    *SEVERAL_SLOTS,
    DOUBT,
    OUTSIDE,
    HITS,
    QUERY,
)


def stack_layers(viewer: napari.Viewer) -> None:
    """Bring the plugin's maps and rings into order among the places they hold.

    Layers of the user and of the slide stay where they are.
    """
    now = list(viewer.layers)
    ours = [layer for layer in now if layer.metadata.get(SLOT) in BOTTOM_TO_TOP]
    in_order = iter(sorted(ours, key=lambda layer: BOTTOM_TO_TOP.index(layer.metadata[SLOT])))
    wanted = [next(in_order) if layer in ours else layer for layer in now]
    # From the bottom up, so that a layer is only ever moved down to its place.
    for place, layer in enumerate(wanted):
        index = viewer.layers.index(layer)
        if index != place:
            viewer.layers.move(index, place)
