"""One map at a time: showing a result hides the maps of the other questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.viewer.biomarkers.map_layers import MARKER_SLOTS
from napari_haiku.viewer.counterfactual.shift_layers import SHIFT
from napari_haiku.viewer.layers.blending import BLEND_SLOTS
from napari_haiku.viewer.layers.layer_slots import SLOT
from napari_haiku.viewer.layers.side_by_side import side_by_side_of
from napari_haiku.viewer.layers.stacking import SEVERAL_SLOTS, stack_layers
from napari_haiku.viewer.niches.niche_layers import NICHE_SLOTS
from napari_haiku.viewer.search.query_layers import HITS, SIMILARITY
from napari_haiku.viewer.slides.adopt import IMAGE
from napari_haiku.viewer.slides.slide_layers import PATCHES

if TYPE_CHECKING:
    from collections.abc import Collection

    import napari

# The outlines of the patches and the rings of old hits would cross out what lies beneath.
MAP_SLOTS = frozenset(
    (
        *MARKER_SLOTS,
        *BLEND_SLOTS,
        *SEVERAL_SLOTS,
        *NICHE_SLOTS,
        SHIFT,
        SIMILARITY,
        PATCHES,
        HITS,
    )
)
UNDER_A_MAP_OPACITY = 0.6


def show_only(viewer: napari.Viewer, slots: Collection[str], *, two_views: bool = False) -> None:
    """Make exactly these maps visible and dim the slide beneath them.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    slots : collection of str
        Slots of the maps to show; layers that are no maps stay as they are.
    two_views : bool
        Whether two views side by side may stay.
    """
    views = side_by_side_of(viewer)
    if not two_views:
        views.hide()
    if not views.shown:
        stack_layers(viewer)
    for layer in viewer.layers:
        slot = layer.metadata.get(SLOT)
        if slot in MAP_SLOTS:
            wanted = slot in slots
            if layer.visible != wanted:
                layer.visible = wanted
        elif (
            (slot is None or IMAGE in layer.metadata)
            and getattr(layer, "rgb", False)
            and layer.opacity == 1.0
        ):
            # Colour images cannot be greyed in napari; one the user dimmed already is left alone.
            layer.opacity = UNDER_A_MAP_OPACITY
