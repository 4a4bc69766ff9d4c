"""Layers of the biomarker maps: predicted, measured, difference, doubt and unknown tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.viewer.layers.colormaps import MARKER_COLORMAP, shift_colormap
from napari_haiku.viewer.layers.hatching import hatching, pixels_per_patch
from napari_haiku.viewer.layers.map_layer import MapLayer, finer
from napari_haiku.viewer.layers.placement import grid_placement, on_grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.images.grid import PatchGrid

PREDICTED = "marker predicted"
MEASURED = "marker measured"
DIFFERENCE = "marker difference"
DOUBT = "marker doubt"
OUTSIDE = "outside atlas"
MARKER_SLOTS = (PREDICTED, MEASURED, DIFFERENCE, DOUBT, OUTSIDE)

MAP_OPACITY = 0.8
_DOUBT_GREY = (0x70, 0x70, 0x76)
_MOST_DOUBT = 0.7


def marker_layer(
    grid: PatchGrid,
    marker: str,
    values: NDArray[np.floating],
    limits: tuple[float, float],
    *,
    measured: bool = False,
) -> MapLayer:
    """Map of one marker, in the atlas's units; NaN (no value) is clear.

    Parameters
    ----------
    grid : PatchGrid
        The patches.
    marker : str
        Canonical name.
    values : ndarray, shape (n,)
        One value per patch, NaN where there is none.
    limits : tuple of float
        Both ends of the colour bar.
    measured : bool
        Whether the values were measured on this slide rather than predicted.
    """
    return MapLayer(
        slot=MEASURED if measured else PREDICTED,
        name=f"{marker} {'measured' if measured else 'predicted'}",
        kind="image",
        data=on_grid(grid, np.asarray(values, dtype=np.float32)),
        placement=grid_placement(grid),
        always={"contrast_limits": limits, "colormap": MARKER_COLORMAP},
        once={
            "opacity": MAP_OPACITY,
            "interpolation2d": "nearest",
            "blending": "translucent",
        },
    )


def difference_layer(
    grid: PatchGrid, marker: str, difference: NDArray[np.floating], limit: float
) -> MapLayer:
    """Map of predicted minus measured, symmetric about a clear zero."""
    return MapLayer(
        slot=DIFFERENCE,
        name=f"{marker} predicted minus measured",
        kind="image",
        data=on_grid(grid, np.asarray(difference, dtype=np.float32)),
        placement=grid_placement(grid),
        always={"contrast_limits": (-limit, limit), "colormap": shift_colormap()},
        once={"interpolation2d": "nearest", "blending": "translucent"},
    )


def doubt_alpha(spread: NDArray[np.floating], limits: tuple[float, float]) -> NDArray[np.float32]:
    """How grey a patch is drawn, 0 to 0.7.

    It rises with the neighbours' spread and is full where value +- spread
    covers the whole colour bar: there the colour says nothing.

    Parameters
    ----------
    spread : ndarray
        Spread among the neighbours, NaN where there is no value.
    limits : tuple of float
        Both ends of the colour bar.
    """
    half = (limits[1] - limits[0]) / 2
    share = np.clip(np.nan_to_num(spread, nan=0.0) / half, 0.0, 1.0)
    return np.asarray(share * _MOST_DOUBT, dtype=np.float32)


def doubt_layer(
    grid: PatchGrid,
    marker: str,
    spread: NDArray[np.floating],
    limits: tuple[float, float],
) -> MapLayer:
    """Grey veil over the predicted map, thicker where the neighbours disagree."""
    colours = np.zeros((len(spread), 4), dtype=np.uint8)
    colours[:, :3] = _DOUBT_GREY
    colours[:, 3] = np.round(doubt_alpha(spread, limits) * 255)
    return MapLayer(
        slot=DOUBT,
        name=f"{marker} doubt",
        kind="image",
        data=on_grid(grid, colours),
        placement=grid_placement(grid),
        always={"rgb": True},
        once={"interpolation2d": "nearest"},
    )


def outside_layer(grid: PatchGrid, outside: NDArray[np.bool_]) -> MapLayer:
    """White hatching over patches unlike anything in the atlas."""
    pixels = pixels_per_patch(grid.shape)
    return MapLayer(
        slot=OUTSIDE,
        name="Outside atlas",
        kind="image",
        data=hatching(on_grid(grid, np.asarray(outside, dtype=bool)), pixels),
        placement=finer(grid_placement(grid), pixels),
        always={"rgb": True},
        once={"interpolation2d": "nearest"},
    )
