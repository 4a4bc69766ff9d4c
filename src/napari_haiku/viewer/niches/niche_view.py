"""Putting niches into a viewer: colours, edges, and numbers where colours no longer suffice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.viewer.biomarkers.map_layers import marker_layer
from napari_haiku.viewer.biomarkers.marker_limits import marker_limits
from napari_haiku.viewer.layers.captions import caption
from napari_haiku.viewer.layers.layer_slots import drop_layer, layer_in_slot
from napari_haiku.viewer.layers.map_layer import show_map
from napari_haiku.viewer.layers.one_map import show_only
from napari_haiku.viewer.niches.niche_layers import (
    EDGES,
    FIRST_NUMBERED,
    NICHE_SLOTS,
    NICHES,
    NUMBERS,
    SPOTLIGHT,
    edge_layer,
    niche_layer,
    number_layer,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import napari
    from numpy.typing import NDArray

    from napari_haiku.images.grid import PatchGrid
    from napari_haiku.viewer.layers.map_layer import MapLayer


@dataclass(frozen=True)
class NichePictures:
    """What is drawn for one grouping.

    Parameters
    ----------
    grid : PatchGrid
        The patches.
    labels : ndarray of int, shape (n,)
        Niche of each patch.
    edges : MapLayer
        Dark lines between niches.
    numbers : MapLayer or None
        Numbers, from seven niches on.
    """

    grid: PatchGrid
    labels: NDArray[Any]
    edges: MapLayer
    numbers: MapLayer | None


def draw_niches(grid: PatchGrid, labels: NDArray[Any]) -> NichePictures:
    """Draw edges and numbers; on large slides a second's work, so call it in the job."""
    many = len(np.unique(labels[labels > 0])) >= FIRST_NUMBERED
    return NichePictures(
        grid, labels, edge_layer(grid, labels), number_layer(grid, labels) if many else None
    )


def show_niches(
    viewer: napari.Viewer,
    pictures: NichePictures,
    names: Mapping[int, str],
    *,
    selected: Collection[int] = (),
) -> None:
    """Show the niches and nothing else.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    pictures : NichePictures
        What to draw.
    names : Mapping
        Niche -> name, shown under the pointer.
    selected : collection of int
        Niches to light up.
    """
    show_map(viewer, niche_layer(pictures.grid, pictures.labels, selected=selected))
    show_map(viewer, pictures.edges)
    shown = {NICHES, EDGES, NUMBERS, SPOTLIGHT}
    if pictures.numbers is None:
        drop_layer(viewer, NUMBERS)
    else:
        show_map(viewer, pictures.numbers)
    name_niches(viewer, names)
    show_only(viewer, shown)


def redraw_lines(viewer: napari.Viewer, pictures: NichePictures) -> None:
    """Draw edges and numbers anew; the labels stay as they are, with their undo steps."""
    show_map(viewer, pictures.edges)
    if pictures.numbers is None:
        drop_layer(viewer, NUMBERS)
    else:
        show_map(viewer, pictures.numbers)


def show_marker_of(
    viewer: napari.Viewer,
    pictures: NichePictures,
    marker: str,
    values: NDArray[Any],
    *,
    measured: bool,
) -> None:
    """Show the marker that the niches were compared by, with the edges of the niches on it.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    pictures : NichePictures
        Whose edges are drawn.
    marker : str
        Canonical name.
    values : ndarray, shape (n,)
        Its value at each patch, NaN where there is none.
    measured : bool
        Whether it was measured on this slide.
    """
    wanted = marker_layer(pictures.grid, marker, values, marker_limits(values), measured=measured)
    caption(show_map(viewer, wanted), colour_bar=True)
    show_only(viewer, {wanted.slot, EDGES, NUMBERS})


def niches_in_view(viewer: napari.Viewer) -> bool:
    """Whether the niches are what the canvas shows."""
    layer = layer_in_slot(viewer, NICHES)
    return layer is not None and bool(layer.visible)


def bring_back_niches(viewer: napari.Viewer) -> None:
    """Show the niches again after another map was looked at."""
    show_only(viewer, {NICHES, EDGES, NUMBERS, SPOTLIGHT})


def light_up(viewer: napari.Viewer, pictures: NichePictures, selected: Collection[int]) -> None:
    """Raise the selected niches and dim the others; with none selected all are alike."""
    wanted = niche_layer(pictures.grid, pictures.labels, selected=selected)
    layer = layer_in_slot(viewer, NICHES)
    if layer is not None:
        for setting, value in wanted.always.items():
            setattr(layer, setting, value)


def name_niches(viewer: napari.Viewer, names: Mapping[int, str]) -> None:
    """Say the niche's name in the status line when the pointer is over it."""
    import pandas as pd

    layer = layer_in_slot(viewer, NICHES)
    if layer is not None:
        layer.features = pd.DataFrame(
            {"index": [0, *names], "niche": ["no niche", *names.values()]}
        )


def remove_niches(viewer: napari.Viewer) -> None:
    """Take the niches out of the viewer."""
    for slot in NICHE_SLOTS:
        drop_layer(viewer, slot)
