"""Captions and colour bars on the canvas, napari's own overlays."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.layers import Layer

_BAR_SIZE = (14.0, 120.0)
_FONT_SIZE = 9


def caption(layer: Layer, *, colour_bar: bool) -> None:
    """Write a map's name at the top left and, where wanted, its colour bar at the bottom left.

    Parameters
    ----------
    layer : Layer
        The map.
    colour_bar : bool
        Whether it carries the colour bar; of two maps with the same limits only one needs to.
    """
    layer.name_overlay.visible = True
    layer.name_overlay.box = True
    layer.name_overlay.font_size = _FONT_SIZE
    layer.name_overlay.position = "top_left"
    layer.colorbar.visible = colour_bar
    if colour_bar:
        layer.colorbar.position = "bottom_left"
        layer.colorbar.size = _BAR_SIZE
        layer.colorbar.font_size = _FONT_SIZE
        layer.colorbar.box = True
