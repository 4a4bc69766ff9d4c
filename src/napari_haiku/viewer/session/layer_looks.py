"""How the plugin's own layers looked: seen or hidden, how opaque."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.viewer.layers.layer_slots import SLOT

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

    from napari_haiku.viewer.session.parts import State


class LayerLooks:
    """Settings by slot; what has not come back yet keeps what it had."""

    def __init__(self) -> None:
        self._kept: State = {}
        self._seen_before: State = {}

    def state(self, viewer: napari.Viewer) -> State:
        """Describe every layer of the plugin."""
        for layer in viewer.layers:
            slot = layer.metadata.get(SLOT)
            if slot is not None:
                self._kept[str(slot)] = {
                    "visible": bool(layer.visible),
                    "opacity": float(layer.opacity),
                }
        return dict(self._kept)

    def restore(self, viewer: napari.Viewer, state: State) -> None:
        """Let layers look as they did, now or when they come."""
        self._kept, self._seen_before = dict(state), dict(state)
        for layer in viewer.layers:
            self.dress(layer)

    def settle(self, viewer: napari.Viewer) -> None:
        """Show what was shown, now that every map is back; from here on the user decides."""
        for layer in viewer.layers:
            seen = self._seen_before.get(str(layer.metadata.get(SLOT)), {}).get("visible")
            if seen is not None and layer.visible != seen:
                layer.visible = seen
        self._seen_before = {}

    def dress(self, layer: Layer) -> None:
        """Let a layer look as it did."""
        look = self._kept.get(str(layer.metadata.get(SLOT)), {})
        for name in ("visible", "opacity"):
            if name in look and getattr(layer, name) != look[name]:
                setattr(layer, name, look[name])
