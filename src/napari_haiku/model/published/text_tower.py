"""Text tower: BERT, mean over the attended tokens, unit length."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_haiku.model.published.extras import need

if TYPE_CHECKING:
    from napari_haiku.model.published.config import TextSizes


class TextTower(nn.Module):
    """BERT without its pooler.

    Parameters
    ----------
    sizes : TextSizes
        Vocabulary, width and depth.

    Raises
    ------
    HaikuError
        transformers is not installed.
    """

    def __init__(self, sizes: TextSizes) -> None:
        super().__init__()
        transformers = need("transformers", "The text tower")
        self.sizes = sizes
        self.bert = transformers.BertModel(
            transformers.BertConfig(**asdict(sizes)), add_pooling_layer=False
        )

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Encode token ids (n, length) with their attention mask to unit rows (n, width)."""
        return nn.functional.normalize(self.mean_pooled(ids, mask), dim=-1)

    def last_hidden(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Hidden states of the last layer, shape (n, length, width)."""
        hidden: torch.Tensor = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden

    def mean_pooled(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Mean over attended tokens, special tokens included; shape (n, width)."""
        hidden = self.last_hidden(ids, mask)
        weights = mask[..., None].to(hidden.dtype)
        return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
