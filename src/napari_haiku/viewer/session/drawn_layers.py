"""Layers that the user drew: what is kept of them and how they come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from napari_haiku.viewer.layers.layer_slots import SLOT
from napari_haiku.viewer.slides.adopt import IMAGE

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

    from napari_haiku.viewer.session.parts import State

_MARK, _OF = "napari_haiku_drawn", "napari_haiku_drawn_of"
_KINDS = ("Shapes", "Points", "Labels")
# Larger ones would stop the window while they are copied.
MOST_PIXELS = 32_000_000


def is_drawn(layer: Layer) -> bool:
    """Whether the user made a layer that can hold an annotation."""
    return (
        type(layer).__name__ in _KINDS
        and layer.ndim == 2
        and SLOT not in layer.metadata
        and IMAGE not in layer.metadata
    )


def drawn_state(viewer: napari.Viewer, place: str) -> State:
    """Describe the layers drawn on the slide whose session lies in `place`.

    A layer belongs to the slide that was in view when it was first kept, and
    to no other that is opened over it.
    """
    found = []
    for layer in viewer.layers:
        if not is_drawn(layer) or layer.metadata.setdefault(_OF, place) != place:
            continue
        layer.metadata.setdefault(_MARK, uuid4().hex)
        state = _state_of(layer)
        if state is not None:
            found.append(state)
    return {"layers": found}


def too_large(layer: Layer) -> bool:
    """Whether a layer is painted too finely to save itself."""
    return type(layer).__name__ == "Labels" and int(np.prod(np.shape(layer.data))) > MOST_PIXELS


def restore_drawn(viewer: napari.Viewer, place: str, state: State) -> list[Layer]:
    """Put drawn layers back, apart from those that are there already."""
    from napari.layers import Labels, Points, Shapes

    there = {layer.metadata.get(_MARK) for layer in viewer.layers}
    active = viewer.layers.selection.active
    made: list[Layer] = []
    for kept in state.get("layers", []):
        if kept.get("mark") in there:
            continue
        common = {
            "name": kept["name"],
            "scale": kept["scale"],
            "translate": kept["translate"],
            "rotate": np.asarray(kept["rotate"]),
            "shear": kept["shear"],
            "units": kept["units"],
            "axis_labels": ("y", "x"),
            "opacity": kept["opacity"],
            "visible": kept["visible"],
            "metadata": {_MARK: kept["mark"], _OF: place},
        }
        layer: Layer
        if kept["kind"] == "Shapes":
            layer = Shapes(
                list(kept["data"]) or None,
                shape_type=kept["types"] if kept["data"] else "polygon",
                ndim=2,
                edge_width=1,
                **common,
            )
            if kept["data"]:
                layer.edge_width = [float(width) for width in kept["edge_width"]]
                layer.edge_color = kept["edge_color"]
                layer.face_color = kept["face_color"]
        elif kept["kind"] == "Points":
            layer = Points(np.asarray(kept["data"], float).reshape(-1, 2), ndim=2, **common)
            if len(layer.data):
                layer.size = kept["size"]
                layer.face_color = kept["face_color"]
        else:
            layer = Labels(np.asarray(kept["data"]), **common)
        if kept.get("features") and len(layer.data) and kept["kind"] != "Labels":
            layer.features = kept["features"]
        viewer.add_layer(layer)
        made.append(layer)
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active
    return made


def remove_drawn(viewer: napari.Viewer, place: str) -> None:
    """Take away the layers that the session in `place` keeps.

    A layer that is too large to be kept stays: it would be lost.
    """
    for layer in tuple(viewer.layers):
        if is_drawn(layer) and layer.metadata.get(_OF) == place and not too_large(layer):
            viewer.layers.remove(layer)


def _state_of(layer: Layer) -> State | None:
    kind = type(layer).__name__
    state: dict[str, Any] = {
        "kind": kind,
        "mark": layer.metadata[_MARK],
        "name": layer.name,
        "scale": [float(v) for v in layer.scale],
        "translate": [float(v) for v in layer.translate],
        "rotate": np.asarray(layer.rotate, float).copy(),
        "shear": [float(v) for v in layer.shear],
        "units": [str(unit) for unit in layer.units],
        "opacity": float(layer.opacity),
        "visible": bool(layer.visible),
    }
    if kind == "Labels":
        if too_large(layer):
            return None
        return state | {"data": np.array(layer.data)}
    features = {
        str(name): column.astype(str).tolist()
        if column.dtype.kind in "OSU" or str(column.dtype) in ("str", "string", "category")
        else column.to_numpy().copy()
        for name, column in layer.features.items()
    }
    state["features"] = features
    if kind == "Points":
        return state | {
            "data": np.array(layer.data, float),
            "size": np.array(layer.size, float),
            "face_color": np.array(layer.face_color, float),
        }
    return state | {
        "data": [np.array(shape, float) for shape in layer.data],
        "types": [str(one) for one in layer.shape_type],
        "edge_width": [float(one) for one in layer.edge_width],
        "edge_color": np.array(layer.edge_color, float),
        "face_color": np.array(layer.face_color, float),
    }
