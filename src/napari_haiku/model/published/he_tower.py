"""H&E tower: the vision branch of BEiT-3 with a head and unit output."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_haiku.model.published.extras import need

if TYPE_CHECKING:
    from napari_haiku.model.published.config import HeSizes


class HeTower(nn.Module):
    """BEiT-3 vision transformer; class token, bias-free head, unit length.

    Parameters
    ----------
    sizes : HeSizes
        Image size, width and depth.

    Raises
    ------
    HaikuError
        timm is not installed, or too old to know BEiT-3.
    """

    def __init__(self, sizes: HeSizes) -> None:
        super().__init__()
        timm = need("timm", "The H&E tower")
        self.sizes = sizes
        self.trunk = timm.create_model(
            "beit3_large_patch16_224",
            pretrained=False,
            img_size=sizes.img_size,
            patch_size=sizes.patch_size,
            embed_dim=sizes.dim,
            depth=sizes.layers,
            num_heads=sizes.heads,
            # timm truncates dim * ratio; the half keeps rounding from losing a unit.
            mlp_ratio=(sizes.ffn + 0.5) / sizes.dim,
            norm_layer=partial(nn.LayerNorm, eps=sizes.ln_eps),
            num_classes=0,
            global_pool="token",
        )
        self.head = nn.Linear(sizes.dim, sizes.dim, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Encode images (n, 3, size, size) to unit rows (n, width)."""
        tokens = self.tokens(images)
        return nn.functional.normalize(self.head(tokens[:, 0]), dim=-1)

    def tokens(self, images: torch.Tensor) -> torch.Tensor:
        """Tokens after the last norm, class token first; shape (n, tokens, width)."""
        tokens: torch.Tensor = self.trunk.forward_features(images)
        return tokens
