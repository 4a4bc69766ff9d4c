"""Layers of the niches: labels in fixed colours, their edges and their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.viewer.layers.colormaps import FIRST_HATCHED_NICHE, niche_colormap
from napari_haiku.viewer.layers.hatching import edges, hatching, pixels_per_patch
from napari_haiku.viewer.layers.map_layer import MapLayer, finer
from napari_haiku.viewer.layers.placement import grid_placement, on_grid

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from napari_haiku.images.grid import PatchGrid

NICHES = "niches"
EDGES = "niche edges"
NUMBERS = "niche numbers"
SPOTLIGHT = "chosen patches"
NICHE_SLOTS = (NICHES, EDGES, NUMBERS, SPOTLIGHT)

OPACITY = 0.5
RAISED_OPACITY = 0.75
_LOWERED_OPACITY = 0.2
# From seven niches on two colours are too close for deutan sight to tell apart alone.
FIRST_NUMBERED = 7
_SMALLEST_NUMBERED_REGION = 6


def niche_layer(
    grid: PatchGrid, labels: NDArray[np.integer], *, selected: Collection[int] = ()
) -> MapLayer:
    """Labels of the niches, one pixel a patch, 0 where there is no patch.

    Parameters
    ----------
    grid : PatchGrid
        The patches.
    labels : ndarray of int, shape (n,)
        Niche of each patch, from 1.
    selected : collection of int
        Niches to light up; the others are dimmed. Empty: all alike.
    """
    numbers = np.unique(labels[labels > 0])
    return MapLayer(
        slot=NICHES,
        name="Niches",
        kind="labels",
        data=on_grid(grid, np.asarray(labels, dtype=np.int32)),
        placement=grid_placement(grid),
        always={
            "colormap": niche_colormap(
                (int(number) for number in numbers),
                selected=selected,
                lowered=_LOWERED_OPACITY / RAISED_OPACITY,
            ),
            "opacity": RAISED_OPACITY if selected else OPACITY,
        },
        once={"blending": "translucent"},
    )


def edge_layer(grid: PatchGrid, labels: NDArray[np.integer]) -> MapLayer:
    """Dark edges between niches; white hatching on niches 9 to 12, whose colours repeat."""
    pixels = pixels_per_patch(grid.shape)
    laid = on_grid(grid, np.asarray(labels, dtype=np.int32))
    picture = hatching(laid >= FIRST_HATCHED_NICHE, pixels)
    rim = edges(laid, pixels)
    drawn = rim[..., 3] > 0
    picture[drawn] = rim[drawn]
    return MapLayer(
        slot=EDGES,
        name="Niche edges",
        kind="image",
        data=picture,
        placement=finer(grid_placement(grid), pixels),
        always={"rgb": True},
        once={"interpolation2d": "nearest"},
    )


def region_centres(labels: NDArray[np.integer]) -> list[tuple[int, int, int]]:
    """Find where to write each region's number: its innermost patch.

    Parameters
    ----------
    labels : ndarray of int, shape (ny, nx)
        Niche of each patch, 0 where there is none.

    Returns
    -------
    list of (niche, row, col)
        One entry per connected region of at least 6 patches; every niche that
        has only smaller regions gets one entry for its largest.
    """
    from scipy import ndimage

    centres: list[tuple[int, int, int]] = []
    for niche in np.unique(labels[labels > 0]):
        # Without the rim of zeros the border of the picture would not count as an edge.
        mine = np.pad(labels == niche, 1)
        regions, count = ndimage.label(mine)
        sizes = np.bincount(regions.ravel(), minlength=count + 1)
        sizes[0] = 0
        large = np.flatnonzero(sizes >= _SMALLEST_NUMBERED_REGION)
        depth = ndimage.distance_transform_cdt(mine, metric="chessboard")
        for region in large if len(large) else [int(sizes.argmax())]:
            inside = np.where(regions == region, depth, 0)
            row, col = np.unravel_index(int(inside.argmax()), inside.shape)
            centres.append((int(niche), int(row) - 1, int(col) - 1))
    return centres


def number_layer(grid: PatchGrid, labels: NDArray[np.integer]) -> MapLayer:
    """Numbers written inside the regions, so that colour is never alone."""
    centres = region_centres(on_grid(grid, np.asarray(labels, dtype=np.int32)))
    return MapLayer(
        slot=NUMBERS,
        name="Niche numbers",
        kind="points",
        data=np.array([(row, col) for _, row, col in centres], dtype=float).reshape(-1, 2),
        placement=grid_placement(grid),
        always={
            "text": {
                "string": {"array": [str(niche) for niche, _, _ in centres], "default": ""},
                "color": "white",
                "size": 12,
            },
        },
        once={"size": 0.01, "face_color": "transparent", "border_color": "transparent"},
    )
