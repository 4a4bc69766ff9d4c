"""The towers together, as they are trained and saved."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_haiku.model.compact.text_length import unit_captions
from napari_haiku.model.compact.towers import HETower, MIFTower, TextTower

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_haiku.model.compact.config import CompactConfig


# What the mIF tower holds one row of for each marker.
TABLES = (
    "marker.weight",
    "by_mean.weight",
    "by_level.weight",
    "level_mean",
    "level_spread",
    "mean_mean",
    "mean_spread",
)


class CompactNetwork(nn.Module):
    """The three towers."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.he = HETower(config.he_width, config.dim, config.he_zoom, config.he_blocks)
        self.mif = MIFTower(len(config.markers), config.mif_width, config.mif_layers, config.dim)
        self.text = TextTower(len(config.text_features), config.dim + config.record_dim)
        if config.record_dim:
            self.record = nn.Linear(config.dim, config.record_dim)
            nn.init.zeros_(self.record.weight)
            nn.init.zeros_(self.record.bias)
        self._rows = {name: i + 1 for i, name in enumerate(config.markers)}

    def embed_he(self, image: Tensor) -> Tensor:
        """Return unit vectors of H&E (n, dim + record_dim); see :meth:`HETower.forward`."""
        vectors = functional.normalize(self.he(image).float(), dim=1)
        if not self.config.record_dim:
            return vectors
        return functional.normalize(torch.cat([vectors, self.record(vectors)], 1), dim=1)

    def embed_mif(
        self, cells: Tensor, marker_ids: Tensor, log_range: Tensor | None = None
    ) -> Tensor:
        """Return unit vectors of mIF (n, dim + record_dim); see :meth:`MIFTower.forward`."""
        vectors = functional.normalize(self.mif(cells, marker_ids, log_range).float(), dim=1)
        return functional.pad(vectors, (0, self.config.record_dim))

    def embed_text(self, features: Tensor) -> Tensor:
        """Return unit vectors of captions (n, dim + record_dim) from their features."""
        return unit_captions(self.text(features).float(), filled=self.config.text_filled)

    def marker_ids(self, markers: tuple[str, ...]) -> Tensor:
        """Rows of the marker table; 0 for a marker the model has never seen."""
        rows = [self._rows.get(name, 0) for name in markers]
        return torch.tensor(rows, dtype=torch.int64, device=self.mif.summary.device)

    def known_markers_only(self, markers: Collection[str]) -> CompactNetwork:
        """Copy the network without the vectors of all other markers.

        A marker that training never showed has a vector of chance; without one
        it is read as unknown.
        """
        kept = tuple(name for name in self.config.markers if name in markers)
        out = CompactNetwork(replace(self.config, markers=kept))
        state = self.state_dict()
        rows = [0, *(self._rows[name] for name in kept)]
        for table in TABLES:
            state[f"mif.{table}"] = state[f"mif.{table}"][rows]
        out.load_state_dict(state)
        return out
