"""What the towers of the golden set are given."""

from __future__ import annotations

import torch
from golden_set import arrays, haiku, panels

from napari_haiku.model.published.mif_preprocessing import tiles


def mif_tiles(batch: str) -> list[torch.Tensor]:
    patch = haiku().config.mif.patch_size
    data = arrays("mif_encoder")
    return [
        tiles(torch.tensor(data[f"{batch}_img{i}"]), patch) for i in range(len(panels()[batch]))
    ]


def text_input() -> tuple[torch.Tensor, torch.Tensor]:
    data = arrays("text_encoder")
    return torch.tensor(data["ids"]), torch.tensor(data["mask"])


def he_input() -> torch.Tensor:
    return torch.tensor(arrays("he_encoder")["image"])
