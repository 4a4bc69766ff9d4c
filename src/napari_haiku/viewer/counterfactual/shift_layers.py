"""Layer of a counterfactual: how much a marker shifts under the edited record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.viewer.layers.colormaps import shift_colormap
from napari_haiku.viewer.layers.map_layer import MapLayer
from napari_haiku.viewer.layers.placement import grid_placement, on_grid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.images.grid import PatchGrid

SHIFT = "marker shift"
SHIFT_OPACITY = 1.0
NO_MORE_THAN_PLACEBO_OPACITY = 0.5
NOT_SUPPORTED = " - not supported"


def edit_words(baseline: Mapping[str, str], edits: Mapping[str, str]) -> str:
    """Say what was edited: ``stage II to IV``.

    Parameters
    ----------
    baseline : Mapping
        The record as it reads.
    edits : Mapping
        Field -> value asked about.
    """
    parts = []
    for field, value in edits.items():
        name = field.replace("_", " ")
        before = baseline.get(field, "")
        parts.append(f"{name} {before} to {value}" if before else f"no {name} to {name} {value}")
    return ", ".join(parts)


def scenario_name(edits: Mapping[str, str]) -> str:
    """Short name of an edit: ``Stage IV``."""
    words = ", ".join(f"{field.replace('_', ' ')} {value}" for field, value in edits.items())
    return words[:1].upper() + words[1:]


def shift_layer(
    grid: PatchGrid,
    marker: str,
    shift: NDArray[np.floating],
    limit: float,
    *,
    scenario: str,
    beyond_placebo: bool,
    supported: bool = True,
) -> MapLayer:
    """Map of a marker's shift in atlas SD: blue is less, orange more, zero clear.

    Parameters
    ----------
    grid : PatchGrid
        The patches.
    marker : str
        Canonical name.
    shift : ndarray, shape (n,)
        Counterfactual minus baseline, NaN where there is none.
    limit : float
        Upper end of the symmetric limits.
    scenario : str
        Short name of the edit.
    beyond_placebo : bool
        Whether the edit moved the result more than irrelevant text; if not the
        map is drawn at half opacity.
    supported : bool
        Whether the marker is supported in any niche; if not the name says so.
    """
    return MapLayer(
        slot=SHIFT,
        name=f"{marker} shift: {scenario}{'' if supported else NOT_SUPPORTED}",
        kind="image",
        data=on_grid(grid, np.asarray(shift, dtype=np.float32)),
        placement=grid_placement(grid),
        always={
            "contrast_limits": (-limit, limit),
            "colormap": shift_colormap(),
            "opacity": SHIFT_OPACITY if beyond_placebo else NO_MORE_THAN_PLACEBO_OPACITY,
        },
        once={"interpolation2d": "nearest", "blending": "translucent"},
    )
