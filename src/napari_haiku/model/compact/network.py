"""The towers together, as they are trained and saved."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_haiku.model.compact.towers import HETower, MIFTower, TextTower

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_haiku.model.compact.config import CompactConfig


class CompactNetwork(nn.Module):
    """The three towers."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.he = HETower(config.he_width, config.dim)
        self.mif = MIFTower(len(config.markers), config.mif_width, config.mif_layers, config.dim)
        self.text = TextTower(len(config.text_features), config.dim)
        self._rows = {name: i + 1 for i, name in enumerate(config.markers)}

    def marker_ids(self, markers: tuple[str, ...]) -> Tensor:
        """Rows of the marker table; 0 for a marker the model has never seen."""
        rows = [self._rows.get(name, 0) for name in markers]
        return torch.tensor(rows, device=self.mif.summary.device)

    def known_markers_only(self, markers: Collection[str]) -> CompactNetwork:
        """Copy the network without the vectors of all other markers.

        A marker that training never showed has a vector of chance; without one
        it is read as unknown.
        """
        kept = tuple(name for name in self.config.markers if name in markers)
        out = CompactNetwork(replace(self.config, markers=kept))
        state = self.state_dict()
        rows = [0, *(self._rows[name] for name in kept)]
        for table in ("marker.weight", "level_mean", "level_spread"):
            state[f"mif.{table}"] = state[f"mif.{table}"][rows]
        out.load_state_dict(state)
        return out
