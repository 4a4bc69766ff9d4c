"""Shapes drawn in the viewer as regions in um, and regions as shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.regions.region import Region, ellipse
from napari_haiku.viewer.layers.placement import AXES, UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Shapes
    from numpy.typing import NDArray

CLASS, NAME = "class", "name"
# What encloses nothing is no region.
_OPEN = frozenset({"line", "path"})


def regions_of_layer(layer: Shapes) -> tuple[Region, ...]:
    """Give the closed shapes of a layer as regions in the physical frame.

    A shape's name and class are its features ``name`` and ``class`` where the
    layer has such; lines and paths are passed over.

    Parameters
    ----------
    layer : Shapes
        The layer; its scale, translation, rotation and shear count.
    """
    return regions_of(
        [layer.data_to_world(corner) for shape in layer.data for corner in np.asarray(shape)],
        [len(shape) for shape in layer.data],
        [str(kind) for kind in layer.shape_type],
        layer.features.to_dict("list"),
        str(layer.name),
    )


def regions_of(
    corners: Sequence[Any],
    lengths: Sequence[int],
    kinds: Sequence[str],
    features: dict[Any, list[Any]],
    title: str,
) -> tuple[Region, ...]:
    """Make regions of shapes given by their corners in the world, y before x.

    Parameters
    ----------
    corners : sequence of array
        Corners of all shapes, one after the other.
    lengths, kinds : sequence
        How many corners each shape has, and of what kind it is.
    features : dict of lists
        The layer's features.
    title : str
        What shapes without a name are called, with a number.
    """
    places = np.array([np.asarray(corner)[-2:][::-1] for corner in corners], np.float64)
    ends = np.cumsum(lengths)
    regions = []
    for number, (end, length, kind) in enumerate(zip(ends, lengths, kinds, strict=True)):
        if kind in _OPEN or length < 3:
            continue
        ring: NDArray[np.float64] = places[end - length : end]
        name = _text(features, NAME, number) or f"{title} {number + 1}"
        outline = ellipse(ring) if kind == "ellipse" else ring
        regions.append(Region(name, ((outline,),), _text(features, CLASS, number)))
    return tuple(regions)


def shapes_of_regions(regions: Sequence[Region], name: str) -> tuple[list[Any], dict[str, Any]]:
    """Give the data and keyword arguments of a Shapes layer that shows regions.

    Holes are drawn as outlines of their own but do not count as regions: a
    shape in napari cannot have any.
    """
    data, names, classes = [], [], []
    for region in regions:
        for rings in region.polygons:
            data.append(rings[0][:, ::-1])
            names.append(region.name)
            classes.append(region.kind)
    return data, {
        "name": name,
        "shape_type": "polygon",
        "features": {NAME: names, CLASS: classes},
        "edge_color": "#F0A04B",
        "face_color": "transparent",
        "edge_width": 8.0,
        "units": UNITS,
        "axis_labels": AXES,
    }


def _text(features: dict[Any, list[Any]], column: str, row: int) -> str:
    values = features.get(column)
    if values is None or row >= len(values):
        return ""
    value = values[row]
    return "" if value is None or value != value else str(value).strip()
