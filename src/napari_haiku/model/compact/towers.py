"""The three towers of the compact model."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn


class HETower(nn.Module):
    """Plain convolutions over the H&E patch, pooled by mean and maximum.

    Trained from scratch on few slides, stacked 3 x 3 convolutions learn faster
    than a transformer and run at hundreds of patches a second on two cores.
    """

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        sizes = [3, width, 2 * width, 4 * width, 8 * width]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(sizes):
            layers += [_convolution(before, after, 2), _convolution(after, after, 1)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Linear(2 * sizes[-1], 512),
            nn.BatchNorm1d(512),
            nn.ReLU(),
            nn.Linear(512, dim),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Encode images (n, 3, h, w), normalised; returns (n, dim), not normalised."""
        maps = self.features(image)
        out: Tensor = self.head(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1))
        return out


def _convolution(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


class MIFTower(nn.Module):
    """One token a channel, attention between the channels of a patch.

    Every channel goes through the same convolutions; the marker's own vector
    says which protein it shows. Channels may come in any number and order.
    """

    channel_maps = 3

    def __init__(self, markers: int, width: int, layers: int, dim: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(self.channel_maps, 24, 3, 2, 1),
            nn.GELU(),
            nn.Conv2d(24, 48, 3, 2, 1),
            nn.GELU(),
        )
        # Row 0 stays zero: it stands for markers the model has never seen.
        self.marker = nn.Embedding(markers + 1, 64, padding_idx=0)
        self.token = nn.Sequential(
            nn.Linear(2 * 48 + 2 * self.channel_maps + 64, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, width),
        )
        self.summary = nn.Parameter(torch.zeros(width))
        self.mixer = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(
                width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True
            ),
            layers,
            enable_nested_tensor=False,
        )
        self.head = nn.Sequential(nn.Linear(width, 512), nn.ReLU(), nn.Linear(512, dim))

    def forward(self, cells: Tensor, marker_ids: Tensor) -> Tensor:
        """Encode pooled channels.

        Parameters
        ----------
        cells : Tensor, shape (n, c, 3, h, w)
            Per channel: mean, mean of logarithm, maximum of each cell.
        marker_ids : Tensor of int64, shape (c,)
            Row of each marker; 0 for an unknown one.
        """
        n, channels = cells.shape[:2]
        flat = cells.flatten(0, 1)
        maps = self.stem(flat)
        described = torch.cat(
            [
                maps.mean((2, 3)),
                maps.amax((2, 3)),
                4 * flat.mean((2, 3)),
                4 * flat.std((2, 3)),
                self.marker(marker_ids).repeat(n, 1),
            ],
            1,
        )
        tokens = self.token(described).view(n, channels, -1)
        tokens = torch.cat([self.summary.expand(n, 1, -1), tokens], 1)
        out: Tensor = self.head(self.mixer(tokens)[:, 0])
        return out


class TextTower(nn.Module):
    """A small transformer over the caption's words, averaged."""

    def __init__(self, vocabulary: int, width: int, layers: int, length: int, dim: int) -> None:
        super().__init__()
        self.word = nn.Embedding(vocabulary, width, padding_idx=0)
        self.position = nn.Parameter(0.02 * torch.randn(length, width))
        self.mixer = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(
                width, 4, 2 * width, 0.1, "gelu", batch_first=True, norm_first=True
            ),
            layers,
            enable_nested_tensor=False,
        )
        self.head = nn.Sequential(nn.Linear(width, 512), nn.ReLU(), nn.Linear(512, dim))

    def forward(self, ids: Tensor) -> Tensor:
        """Encode word ids (n, length); 0 is padding. Returns (n, dim), not normalised."""
        present = ids != 0
        x = self.word(ids) + self.position[: ids.shape[1]]
        x = self.mixer(x, src_key_padding_mask=~present)
        weight = present.unsqueeze(-1).to(x.dtype)
        out: Tensor = self.head((x * weight).sum(1) / weight.sum(1).clamp(min=1))
        return out
