"""Layers that are made once and found again, whatever the user renames them to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

SLOT = "napari_haiku_slot"
Kind = Literal["image", "labels", "points", "shapes"]
# napari spells units out.
_SPELT = {"micrometer": "um"}


def layer_in_slot(viewer: napari.Viewer, slot: str) -> Layer | None:
    """Find the layer made for `slot`, or None when there is none (any more)."""
    for layer in viewer.layers:
        if layer.metadata.get(SLOT) == slot:
            return layer
    return None


def put_layer(
    viewer: napari.Viewer, kind: Kind, slot: str, data: Any, *, name: str, **options: Any
) -> Layer:
    """Show `data` in the slot's layer: its data are swapped, or the layer is made.

    Options that differ from what the layer has are set; those it cannot change
    after it was made (``rgb``, ``multiscale``) make it anew in its old place.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    kind : {"image", "labels", "points", "shapes"}
        What to make.
    slot : str
        The layer's purpose ("similarity", "niches").
    data : array
        What to show.
    name : str
        Name in the layer list.
    **options
        As for ``viewer.add_image`` and its siblings; pass ``contrast_limits``
        so that nothing scans the data.
    """
    layer = layer_in_slot(viewer, slot)
    if layer is not None and _takes(layer, kind, data):
        _set(layer, {"name": name, **options})
        if layer.data is data:
            # Perhaps changed in place.
            layer.refresh()
        else:
            layer.data = data
        return layer
    position = None
    if layer is not None:
        position = viewer.layers.index(layer)
        viewer.layers.remove(layer)
    active = viewer.layers.selection.active
    metadata = {**options.pop("metadata", {}), SLOT: slot}
    add = getattr(viewer, f"add_{kind}")
    made: Layer = add(data, name=name, metadata=metadata, **options)
    if position is not None:
        viewer.layers.move(viewer.layers.index(made), position)
    # A new layer grabs the selection; a drawing layer that the user works on keeps it.
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active
    return made


def drop_layer(viewer: napari.Viewer, slot: str) -> None:
    """Remove the slot's layer if there is one."""
    layer = layer_in_slot(viewer, slot)
    if layer is not None:
        viewer.layers.remove(layer)


def _set(layer: Layer, options: dict[str, Any]) -> None:
    """Set what differs: each setting costs napari a redraw, a thumbnail and its layer list."""
    for option, value in options.items():
        if option in ("metadata", "rgb", "multiscale") or not hasattr(layer, option):
            continue
        now = getattr(layer, option)
        if option == "units":
            now = tuple(_SPELT.get(str(unit), str(unit)) for unit in now)
        if not _same(now, value):
            setattr(layer, option, value)


def _same(now: Any, wanted: Any) -> bool:
    if np.isscalar(now) and np.isscalar(wanted):
        return bool(now == wanted)
    if isinstance(now, (tuple, list, np.ndarray)) and isinstance(wanted, (tuple, list, np.ndarray)):
        return len(now) == len(wanted) and all(
            np.isscalar(one) and np.isscalar(other) and one == other
            for one, other in zip(now, wanted, strict=True)
        )
    return now is wanted


def _takes(layer: Layer, kind: Kind, data: Any) -> bool:
    if type(layer).__name__.lower() != kind:
        return False
    if kind == "image":
        return bool(getattr(layer, "rgb", False)) == (getattr(data, "ndim", 2) == 3)
    return True
