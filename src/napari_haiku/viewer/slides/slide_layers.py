"""The slide itself in the viewer: H&E, up to four markers, and the patches of tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.viewer.layers.colormaps import rgb_of
from napari_haiku.viewer.layers.layer_slots import layer_in_slot, put_layer
from napari_haiku.viewer.layers.map_layer import finer
from napari_haiku.viewer.layers.placement import grid_placement, image_placement, on_grid
from napari_haiku.viewer.slides.adopt import IMAGE
from napari_haiku.viewer.slides.encoding_place import stem_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import napari
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_haiku.images.grid import PatchGrid
    from napari_haiku.images.slide_image import SlideImage

HE = "he"
PATCHES = "patches"
PATCH_COLOUR = "#56B4E9"
TO_DO, DONE = 1, 2
_SHOWN_MARKERS = (("DAPI", "#4060FF"), ("PanCK", "yellow"), ("CD8", "green"), ("aSMA", "magenta"))
_MOST_PIXELS = 4_000_000
_OVERVIEW_PIXELS = 1024

Limits = tuple[float, float]


def shown_channels(mif: SlideImage) -> dict[str, int]:
    """Choose the at most four markers shown at first: marker -> channel."""
    channels = {marker: i for i, marker in enumerate(mif.markers) if marker is not None}
    favoured = [marker for marker, _ in _SHOWN_MARKERS if marker in channels]
    others = [marker for marker in channels if marker not in favoured]
    return {marker: channels[marker] for marker in (favoured + others)[: len(_SHOWN_MARKERS)]}


def display_limits(mif: SlideImage) -> dict[str, Limits]:
    """Limits of the markers shown at first: marker -> (low, high)."""
    return {marker: channel_limits(mif, channel) for marker, channel in shown_channels(mif).items()}


def channel_limits(mif: SlideImage, channel: int) -> Limits:
    """Limits of one channel, read off the coarsest level so that nothing scans the slide.

    Returns
    -------
    low, high : float
        The 1st and the 99.8th percentile; always low < high.
    """
    rows, columns = mif.level_shape(len(mif.levels) - 1)
    step = max(1, -(-max(rows, columns) // _OVERVIEW_PIXELS))
    values = np.asarray(mif.levels[-1][channel, ::step, ::step], np.float64)
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, (1, 99.8)) if values.size else (0.0, 1.0)
    if high <= low:
        high = max(float(values.max(initial=low)), low + 1)
    return float(low), float(high)


def show_he(viewer: napari.Viewer, he: SlideImage) -> Layer:
    """Show an H&E image at the bottom of the layer list."""
    layer = put_layer(
        viewer,
        "image",
        HE,
        list(he.levels) if len(he.levels) > 1 else he.levels[0],
        name=f"H&E {stem_of(he.name)}",
        rgb=True,
        multiscale=len(he.levels) > 1,
        metadata={IMAGE: he},
        **image_placement(he),
    )
    viewer.layers.move(viewer.layers.index(layer), 0)
    return layer


def show_mif(
    viewer: napari.Viewer,
    mif: SlideImage,
    limits: Mapping[str, Limits],
    *,
    visible: bool = False,
) -> list[Layer]:
    """Show up to four markers of an mIF image, additive, hidden until asked for.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    mif : SlideImage
        The image; its pixel size is known.
    limits : mapping
        Marker -> contrast limits, from :func:`display_limits`.
    visible : bool
        Whether the markers are shown at once (a slide without H&E).
    """
    return [
        show_channel(viewer, mif, channel, limits[marker], visible=visible)
        for marker, channel in reversed(shown_channels(mif).items())
    ]


def show_channel(
    viewer: napari.Viewer,
    mif: SlideImage,
    channel: int,
    limits: Limits,
    *,
    visible: bool = True,
) -> Layer:
    """Show one channel of an mIF image, additive, in its marker's colour."""
    name = mif.markers[channel] or mif.channel_names[channel]
    levels = [level[channel] for level in mif.levels]
    return put_layer(
        viewer,
        "image",
        f"mif {name}",
        levels if len(levels) > 1 else levels[0],
        name=f"mIF {name}",
        multiscale=len(levels) > 1,
        rgb=False,
        colormap=channel_colormap(mif, channel),
        blending="additive",
        contrast_limits=limits,
        visible=visible,
        metadata={IMAGE: mif},
        **image_placement(mif),
    )


def channel_colormap(mif: SlideImage, channel: int) -> Any:
    """Give the colour of a channel: its marker's, or one that is still free."""
    return _single_colour(_colour_of(mif, mif.markers[channel] or ""))


def _colour_of(mif: SlideImage, marker: str) -> str:
    favoured = dict(_SHOWN_MARKERS)
    if marker in favoured:
        return favoured[marker]
    free = [colour for name, colour in _SHOWN_MARKERS if name not in mif.markers] or ["gray"]
    others = [name for name in mif.used_markers if name not in favoured]
    return free[others.index(marker) % len(free)] if marker in others else "gray"


def show_patches(viewer: napari.Viewer, grid: PatchGrid, *, done: int | None = None) -> Layer:
    """Show where the patches lie: outlined, and filled as far as they are encoded.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    grid : PatchGrid
        The patches.
    done : int, optional
        How many are encoded, in the grid's order, while encoding goes on.
        Without it the tissue is outlined only.
    """
    from napari.utils.colormaps import DirectLabelColormap

    states = np.full(len(grid), TO_DO, np.uint8)
    if done is not None:
        states[:done] = DONE
    pixels = _pixels_per_patch(grid)
    laid = np.kron(on_grid(grid, states), np.ones((pixels, pixels), np.uint8))
    filling = done is not None
    faint = {TO_DO: 0.15, DONE: 0.6} if filling else {TO_DO: 1.0, DONE: 1.0}
    clear = np.zeros(4, np.float32)
    colours: dict[int | None, NDArray[np.float32]] = {None: clear, 0: clear}
    for state, alpha in faint.items():
        colours[state] = np.array([*rgb_of(PATCH_COLOUR), alpha], np.float32)
    placement = finer(grid_placement(grid), pixels)
    layer = layer_in_slot(viewer, PATCHES)
    options: dict[str, Any] = {"opacity": 0.6} if layer is None else {}
    made = put_layer(viewer, "labels", PATCHES, laid, name="Tissue patches", **placement, **options)
    made.colormap = DirectLabelColormap(color_dict=colours)
    made.contour = 0 if filling else 1
    made.editable = False
    return made


def rest_patches(viewer: napari.Viewer, *, visible: bool) -> None:
    """Show or hide the patches where they are."""
    layer = layer_in_slot(viewer, PATCHES)
    if layer is not None:
        layer.visible = visible


def _pixels_per_patch(grid: PatchGrid) -> int:
    # An outline one label pixel wide should look thin beside its patch.
    ny, nx = grid.shape
    for pixels in (8, 4, 2):
        if ny * nx * pixels * pixels <= _MOST_PIXELS:
            return pixels
    return 1


def _single_colour(colour: str) -> Any:
    from napari.utils.colormaps import Colormap

    if not colour.startswith("#"):
        return colour
    colours = np.array([[0, 0, 0, 1], [*rgb_of(colour), 1]], np.float32)
    return Colormap(colours, name=f"mIF {colour}")
