"""Chosen patches lit up on the slide: the others lie in the dark, a white line runs around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.viewer.layers.hatching import edges, pixels_per_patch
from napari_haiku.viewer.layers.layer_slots import drop_layer
from napari_haiku.viewer.layers.map_layer import MapLayer, finer, show_map
from napari_haiku.viewer.layers.placement import grid_placement, on_grid
from napari_haiku.viewer.layers.stacking import stack_layers
from napari_haiku.viewer.niches.niche_layers import SPOTLIGHT

if TYPE_CHECKING:
    import napari
    from numpy.typing import NDArray

    from napari_haiku.images.grid import PatchGrid

_DARK_ALPHA = 165


def spotlight_layer(grid: PatchGrid, chosen: NDArray[np.bool_]) -> MapLayer:
    """Draw the light; on large slides a second's work, so call it in a job.

    Parameters
    ----------
    grid : PatchGrid
        The patches.
    chosen : ndarray of bool, shape (n,)
        Which of them are lit.
    """
    pixels = pixels_per_patch(grid.shape)
    laid = on_grid(grid, np.where(chosen, 2, 1).astype(np.int8))
    fine = np.repeat(np.repeat(laid, pixels, axis=0), pixels, axis=1)
    picture = np.zeros((*fine.shape, 4), np.uint8)
    picture[fine == 1, 3] = _DARK_ALPHA
    rim = edges((laid == 2).astype(np.int8), pixels)[..., 3] > 0
    picture[rim] = (255, 255, 255, 255)
    return MapLayer(
        slot=SPOTLIGHT,
        name="Chosen patches",
        kind="image",
        data=picture,
        placement=finer(grid_placement(grid), pixels),
        always={"rgb": True},
        once={"interpolation2d": "nearest"},
    )


def show_spotlight(viewer: napari.Viewer, layer: MapLayer) -> None:
    """Light chosen patches up, above the niches."""
    shown = show_map(viewer, layer)
    shown.visible = True
    stack_layers(viewer)


def remove_spotlight(viewer: napari.Viewer) -> None:
    """Put the light out."""
    drop_layer(viewer, SPOTLIGHT)
