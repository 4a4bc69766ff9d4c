"""Putting niches into a viewer: colours, edges, and numbers where colours no longer suffice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.viewer.layers.layer_slots import drop_layer, layer_in_slot
from napari_haiku.viewer.layers.map_layer import show_map
from napari_haiku.viewer.layers.one_map import show_only
from napari_haiku.viewer.niches.niche_layers import (
    FIRST_NUMBERED,
    NICHE_SLOTS,
    NICHES,
    NUMBERS,
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
    shown = set(NICHE_SLOTS)
    if pictures.numbers is None:
        drop_layer(viewer, NUMBERS)
    else:
        show_map(viewer, pictures.numbers)
    name_niches(viewer, names)
    show_only(viewer, shown)


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
