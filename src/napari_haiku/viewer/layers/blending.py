"""Up to three markers laid over each other in yellow, cyan and magenta."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.viewer.layers.colormaps import BLEND_COLOURS
from napari_haiku.viewer.layers.map_layer import MapLayer
from napari_haiku.viewer.layers.placement import grid_placement, on_grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_haiku.images.grid import PatchGrid

MOST_BLENDED = len(BLEND_COLOURS)
BLEND_SLOTS = tuple(f"marker blend {place}" for place in range(1, MOST_BLENDED + 1))


def blend_layers(
    grid: PatchGrid,
    markers: Sequence[str],
    values: Sequence[NDArray[np.floating]],
    limits: Sequence[tuple[float, float]],
) -> list[MapLayer]:
    """Additive maps of several markers.

    Parameters
    ----------
    grid : PatchGrid
        The patches.
    markers : sequence of str
        At most three canonical names.
    values : sequence of ndarray, shape (n,)
        Values of each, NaN where there is none.
    limits : sequence of (low, high)
        Both ends of each colour bar.
    """
    return [
        MapLayer(
            slot=slot,
            name=f"{marker} predicted ({colour})",
            kind="image",
            data=on_grid(grid, np.asarray(column, dtype=np.float32)),
            placement=grid_placement(grid),
            # The first one covers the slide: added to bright H&E the colours would drown.
            always={
                "contrast_limits": ends,
                "colormap": colour,
                "blending": "opaque" if slot == BLEND_SLOTS[0] else "additive",
            },
            once={"interpolation2d": "nearest", "opacity": 1.0},
        )
        for slot, colour, marker, column, ends in zip(
            BLEND_SLOTS, BLEND_COLOURS, markers, values, limits, strict=False
        )
    ]
