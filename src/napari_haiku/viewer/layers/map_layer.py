"""What one map shall show, apart from any viewer, and putting it into one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_haiku.viewer.layers.layer_slots import Kind, layer_in_slot, put_layer

if TYPE_CHECKING:
    from collections.abc import Mapping

    import napari
    from napari.layers import Layer
    from numpy.typing import NDArray


@dataclass(frozen=True)
class MapLayer:
    """One layer to show.

    Parameters
    ----------
    slot : str
        What the layer is for; one layer per slot and viewer.
    name : str
        Name in the layer list.
    kind : str
        Kind of napari layer.
    data : ndarray
        Its data.
    placement : Mapping
        Scale, translate (um), units and axis labels.
    always : Mapping
        Settings that belong to the data (limits, colours), set with each result.
    once : Mapping
        Settings of a new layer only; afterwards they are the user's.
    """

    slot: str
    name: str
    kind: Kind
    data: NDArray[Any]
    placement: Mapping[str, Any]
    always: Mapping[str, Any] = field(default_factory=dict)
    once: Mapping[str, Any] = field(default_factory=dict)


def show_map(viewer: napari.Viewer, wanted: MapLayer) -> Layer:
    """Show a map: its layer is made at the first call and its data swapped afterwards.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer; call on the main thread.
    wanted : MapLayer
        What to show.
    """
    options = {**wanted.placement, **wanted.always}
    if layer_in_slot(viewer, wanted.slot) is None:
        options = {**wanted.once, **options}
    return put_layer(viewer, wanted.kind, wanted.slot, wanted.data, name=wanted.name, **options)


def set_visible(viewer: napari.Viewer, shown: Mapping[str, bool]) -> None:
    """Show or hide the layers of the named slots, where they exist."""
    for slot, visible in shown.items():
        layer = layer_in_slot(viewer, slot)
        if layer is not None and layer.visible != visible:
            layer.visible = visible


def finer(placement: Mapping[str, Any], pixels: int) -> dict[str, Any]:
    """Placement of the same picture with each pixel cut into ``pixels`` by ``pixels``."""
    scale = tuple(step / pixels for step in placement["scale"])
    translate = tuple(
        centre - whole / 2 + part / 2
        for centre, whole, part in zip(
            placement["translate"], placement["scale"], scale, strict=True
        )
    )
    return {**placement, "scale": scale, "translate": translate}
