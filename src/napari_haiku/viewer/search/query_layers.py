"""The ring around the patch asked about, its hits on the slide, and its likeness everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.viewer.layers.layer_slots import SLOT, layer_in_slot, put_layer
from napari_haiku.viewer.layers.placement import AXES, UNITS, grid_placement, on_grid

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import napari
    from napari.layers import Layer
    from napari.utils.colormaps import Colormap
    from numpy.typing import NDArray

    from napari_haiku.images.grid import PatchGrid

QUERY = "query"
HITS = "hits"
SIMILARITY = "similarity"
HIT_COLOUR = "#56B4E9"
MOST_HITS = 200
SIMILARITY_OPACITY = 0.75
_RING_PX, _HIT_PX = 24.0, 14.0
_PATCH = "patch_um"
_RING_OF = "napari_haiku_ring_of"


def show_query(viewer: napari.Viewer, x_um: float, y_um: float, patch_um: float) -> Layer:
    """Ring a patch: white on black, never smaller than can be seen."""
    centre = np.array([[y_um, x_um], [y_um, x_um]])
    layer = layer_in_slot(viewer, QUERY)
    if layer is None:
        layer = put_layer(
            viewer,
            "points",
            QUERY,
            centre,
            name="Query",
            face_color="transparent",
            border_color=["black", "white"],
            border_width=[0.11, 0.05],
            units=UNITS,
            axis_labels=AXES,
        )
        layer.editable = False
    elif not np.array_equal(layer.data, centre):
        layer.data = centre
    if not layer.visible:
        layer.visible = True
    layer.metadata[_PATCH] = patch_um
    fit_rings(viewer)
    return layer


def fit_rings(viewer: napari.Viewer) -> None:
    """Keep the rings large enough to be seen at the zoom of the canvas.

    napari's own lower bound on the size of points leaves their border as wide
    as it was, which makes a disc of a small ring.
    """
    for layer in viewer.layers:
        slot = str(layer.metadata.get(_RING_OF, layer.metadata.get(SLOT, "")))
        patch_um = layer.metadata.get(_PATCH)
        if slot not in (QUERY, HITS) or patch_um is None or not len(layer.data):
            continue
        share, smallest = (1.45, _RING_PX) if slot == QUERY else (1.2, _HIT_PX)
        size = max(share * patch_um, smallest / viewer.scene.camera.zoom)
        # The black ring lies just outside the white one.
        sizes = size * (np.array([1.04, 1.0]) if slot == QUERY else np.ones(len(layer.data)))
        if not np.array_equal(layer.size, sizes):
            layer.size = sizes


def ring_metadata(ring: Layer) -> dict[str, Any]:
    """Give what a twin of the ring, in a view of its own, carries so as to be fitted like it."""
    return {_RING_OF: QUERY, _PATCH: ring.metadata.get(_PATCH)}


def hide_query(viewer: napari.Viewer) -> None:
    """Take the ring away."""
    layer = layer_in_slot(viewer, QUERY)
    if layer is not None:
        layer.visible = False


def show_hits(
    viewer: napari.Viewer,
    positions_um: NDArray[np.floating],
    ranks: Sequence[int],
    patch_um: float,
    *,
    numbered: Collection[int] = (),
) -> Layer:
    """Ring the hits that lie on this slide.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    positions_um : ndarray, shape (n, 2)
        Patch centres (x, y); at most 200 are drawn.
    ranks : sequence of int
        Place of each in the gallery, from 1.
    patch_um : float
        Side of a patch.
    numbered : collection of int
        The places to write beside their hits.
    """
    centres = np.asarray(positions_um, float)[:MOST_HITS, ::-1].reshape(-1, 2)
    shown = [int(rank) for rank in ranks[:MOST_HITS]]
    features = {
        "rank": np.asarray(shown, int),
        "label": np.array([str(rank) if rank in numbered else "" for rank in shown], dtype=object),
    }
    layer = layer_in_slot(viewer, HITS)
    if layer is not None:
        # To make a layer anew costs napari a tenth of a second of the window's time.
        layer.metadata[_PATCH] = patch_um
        layer.selected_data = set()
        # Before the data: a hidden layer would keep the old points in view.
        layer.visible = True
        layer.opacity = 1.0
        layer.data = centres
        layer.features = features
        if len(centres):
            layer.border_color = HIT_COLOUR
        fit_rings(viewer)
        return layer
    made = put_layer(
        viewer,
        "points",
        HITS,
        centres,
        name="Hits",
        metadata={_PATCH: patch_um},
        features=features,
        text={"string": "{label}", "color": "white", "size": 10, "anchor": "upper_right"},
        face_color="transparent",
        border_color=HIT_COLOUR,
        border_width=0.08,
        units=UNITS,
        axis_labels=AXES,
    )
    made.editable = False
    fit_rings(viewer)
    return made


def number_hits(viewer: napari.Viewer, ranks: Collection[int]) -> None:
    """Write the rank beside these hits and beside no other."""
    layer = layer_in_slot(viewer, HITS)
    if layer is None:
        return
    features = layer.features.copy()
    labels = [str(rank) if rank in ranks else "" for rank in features["rank"]]
    if labels == list(features["label"]):
        return
    features["label"] = labels
    layer.features = features
    layer.refresh_text()


def dim_hits(viewer: napari.Viewer) -> None:
    """Dim the hits of the last question while the next one is answered."""
    layer = layer_in_slot(viewer, HITS)
    if layer is not None:
        layer.opacity = 0.4


def show_similarity(
    viewer: napari.Viewer, grid: PatchGrid, similarity: NDArray[np.floating]
) -> Layer:
    """Colour every patch by its likeness to the ringed one.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    grid : PatchGrid
        The patches.
    similarity : ndarray, shape (n,)
        Cosine similarity of each patch with the question.
    """
    known = similarity[np.isfinite(similarity)]
    low, high = (np.percentile(known, 25), known.max()) if known.size else (0.0, 1.0)
    if high <= low:
        high = low + 1e-6
    layer = layer_in_slot(viewer, SIMILARITY)
    first: dict[str, Any] = (
        {
            "opacity": SIMILARITY_OPACITY,
            "blending": "translucent",
            "interpolation2d": "nearest",
            "colormap": similarity_colormap(),
        }
        if layer is None
        else {}
    )
    return put_layer(
        viewer,
        "image",
        SIMILARITY,
        on_grid(grid, similarity.astype(np.float32)),
        name="Similarity",
        contrast_limits=(float(low), float(high)),
        visible=True,
        **grid_placement(grid),
        **first,
    )


def similarity_colormap() -> Colormap:
    """``magma`` whose opacity rises with the value."""
    from napari.utils.colormaps import Colormap, ensure_colormap

    positions = np.linspace(0, 1, 256)
    colours = np.asarray(ensure_colormap("magma").map(positions), np.float32)
    colours[:, 3] = np.clip(0.25 + positions, 0, 1)
    return Colormap(colours, name="haiku similarity")


def similarity_stops() -> tuple[tuple[float, tuple[float, float, float]], ...]:
    """Positions and colours of the similarity map for a legend."""
    from napari.utils.colormaps import ensure_colormap

    positions = np.linspace(0, 1, 9)
    colours = ensure_colormap("magma").map(positions)
    return tuple(
        (float(position), (float(red), float(green), float(blue)))
        for position, (red, green, blue, _) in zip(positions, colours, strict=True)
    )


def mark_hit(viewer: napari.Viewer, rank: int | None) -> None:
    """Light up one hit on the slide; None lights up none."""
    layer = layer_in_slot(viewer, HITS)
    if layer is None or not len(layer.data):
        return
    layer.border_color = [
        "white" if other == rank else HIT_COLOUR for other in layer.features["rank"]
    ]
