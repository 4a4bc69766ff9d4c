"""Niches as a mask of their own, to measure, correct, export or use elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.viewer.layers.placement import grid_placement, on_grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_haiku.images.grid import PatchGrid

MASK = 1


def add_mask(
    viewer: napari.Viewer,
    grid: PatchGrid,
    labels: NDArray[np.integer],
    niches: Sequence[int],
    names: Sequence[str],
) -> Layer:
    """Add a labels layer that is 1 where a patch belongs to one of some niches.

    The layer is the user's from then on: it stays as it is when the niches
    change, and saves itself with the session as drawings do.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer; call on the main thread.
    grid : PatchGrid
        The patches.
    labels : ndarray of int, shape (n,)
        Niche of each patch.
    niches : sequence of int
        Whose patches.
    names : sequence of str
        What they are called.
    """
    inside = np.where(np.isin(labels, list(niches)), MASK, 0).astype(np.uint8)
    layer: Layer = viewer.add_labels(
        on_grid(grid, inside),
        name=f"Mask: {', '.join(names)}",
        opacity=0.5,
        **grid_placement(grid),
    )
    layer.contour = 0
    return layer
