"""The three towers of the compact model."""

from __future__ import annotations

import itertools
import warnings

import torch
from torch import Tensor, nn

# Spreads from the mean of the training slides beyond which a range says nothing.
LEVEL_LIMIT = 4.0
# A patch's mean is told on a logarithm that is linear below this share of the slide's range.
MEAN_FLOOR = 0.02


class HETower(nn.Module):
    """Plain convolutions over the H&E patch, pooled by mean and maximum.

    Trained from scratch on few slides, stacked 3 x 3 convolutions learn faster
    than a transformer and run at hundreds of patches a second on two cores.

    Parameters
    ----------
    width, dim : int
        Channels after the first stage, and length of an embedding.
    zoom : int
        How many times finer than the model's pixels the image is read: 1, or 2
        with one cheap convolution more, which sees the grain of a nucleus.
    blocks : int
        Residual blocks on the map that has a place for each cell of the model's
        grid, where cells are told apart; half as many on the map before it.
        With any, the mean of that map goes into the embedding too.
    """

    def __init__(self, width: int, dim: int, zoom: int = 1, blocks: int = 0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        first = 3
        if zoom == 2:
            first = width // 2
            layers.append(_convolution(3, first, 2))
        sizes = [first, width, 2 * width, 4 * width, 8 * width]
        for before, after in itertools.pairwise(sizes):
            layers += [_convolution(before, after, 2), _convolution(after, after, 1)]
        self.features = nn.Sequential(*layers)
        self.place_maps = sizes[-2]
        self._places_after = len(layers) - 3
        # By number of the layer they follow, so that a tower with blocks begins as one without.
        self.blocks = nn.ModuleDict()
        if blocks:
            self.blocks[str(self._places_after - 2)] = _residuals(sizes[-3], blocks // 2)
            self.blocks[str(self._places_after)] = _residuals(sizes[-2], blocks)
        pooled = 2 * sizes[-1] + (self.place_maps if blocks else 0)
        self.head = nn.Sequential(
            nn.Linear(pooled, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(),
            nn.Linear(512, dim),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Encode images (n, 3, h, w), normalised; returns (n, dim), not normalised."""
        return self.with_places(image)[0]

    def with_places(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Encode images, and tell what each place shows.

        Returns
        -------
        vectors : Tensor, shape (n, dim)
            Not normalised.
        places : Tensor, shape (n, place_maps, y, x)
            One place for each cell of the model's grid.
        """
        maps, places = image, image
        for number, layer in enumerate(self.features):
            maps = layer(maps)
            if str(number) in self.blocks:
                maps = self.blocks[str(number)](maps)
            if number == self._places_after:
                places = maps
        pooled = [maps.mean((2, 3)), maps.amax((2, 3))]
        if self.blocks:
            pooled.append(places.mean((2, 3)))
        out: Tensor = self.head(torch.cat(pooled, 1))
        return out, places


class Residual(nn.Module):
    """Two convolutions added to what they read; at first they add nothing."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.first = _convolution(maps, maps, 1)
        self.second = nn.Conv2d(maps, maps, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(maps)
        nn.init.zeros_(self.norm.weight)

    def forward(self, maps: Tensor) -> Tensor:
        """Refine maps (n, maps, y, x)."""
        out: Tensor = (maps + self.norm(self.second(self.first(maps)))).relu()
        return out


def _residuals(maps: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Residual(maps) for _ in range(count)))


def _convolution(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


class MIFTower(nn.Module):
    """One token a channel, attention between the channels of a patch.

    Every channel goes through the same convolutions; the marker's own vector
    says which protein it shows. Channels may come in any number and order.
    Every channel's range over the slide is scaled to 0..1 beforehand; how wide
    that range was, compared with the training slides, is told apart from it
    (and left out where it is far from all of them: other units, other scanner).
    Both, and each patch's mean within the range, also move the embedding along
    one direction a marker, so that how much of a marker there is stays legible.
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
        # Logarithm of the intensity range of each marker over the training slides: mean, spread.
        self.register_buffer("level_mean", torch.zeros(markers + 1))
        self.register_buffer("level_spread", torch.zeros(markers + 1))
        # Logarithm of a patch's mean within that range: mean, spread.
        self.register_buffer("mean_mean", torch.zeros(markers + 1))
        self.register_buffer("mean_spread", torch.zeros(markers + 1))
        # Where a marker's mean and its range move the embedding, beside all that is learnt of form.
        self.by_mean = nn.Embedding(markers + 1, dim, padding_idx=0)
        self.by_level = nn.Embedding(markers + 1, dim, padding_idx=0)
        for table in (self.by_mean, self.by_level):
            nn.init.zeros_(table.weight)
        self.token = nn.Sequential(
            nn.Linear(2 * 48 + 2 * self.channel_maps + 2 + 64, 2 * width),
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

    level_mean: Tensor
    level_spread: Tensor
    mean_mean: Tensor
    mean_spread: Tensor

    def forward(self, cells: Tensor, marker_ids: Tensor, log_range: Tensor | None = None) -> Tensor:
        """Encode pooled channels.

        Parameters
        ----------
        cells : Tensor, shape (n, c, 3, h, w)
            Per channel: mean, mean of logarithm, maximum of each cell.
        marker_ids : Tensor of int64, shape (c,)
            Row of each marker; 0 for an unknown one.
        log_range : Tensor, shape (c,) or (n, c), optional
            Natural logarithm of each channel's intensity range over the slide,
            in stored units; NaN where it is not known.
        """
        n, channels = cells.shape[:2]
        flat = cells.flatten(0, 1)
        maps = self.stem(flat)
        level = self._level(marker_ids, log_range, n)
        share = self._mean(marker_ids, cells[:, :, 0].mean((2, 3)))
        described = torch.cat(
            [
                maps.mean((2, 3)),
                maps.amax((2, 3)),
                4 * flat.mean((2, 3)),
                4 * flat.std((2, 3)),
                level,
                self.marker(marker_ids).repeat(n, 1),
            ],
            1,
        )
        tokens = self.token(described).view(n, channels, -1)
        tokens = torch.cat([self.summary.expand(n, 1, -1), tokens], 1)
        moved = level[:, 0].view(n, channels) @ self.by_level(marker_ids)
        out: Tensor = self.head(self.mixer(tokens)[:, 0]) + share @ self.by_mean(marker_ids) + moved
        return out

    def _mean(self, marker_ids: Tensor, means: Tensor) -> Tensor:
        """How far each channel's mean in a patch is from the training patches', shape (n, c)."""
        spread = self.mean_spread[marker_ids]
        known = spread > 0
        z = ((means + MEAN_FLOOR).log() - self.mean_mean[marker_ids]) / spread.where(known, 1)
        out: Tensor = z.clamp(-LEVEL_LIMIT, LEVEL_LIMIT).where(known, 0)
        return out

    def _level(self, marker_ids: Tensor, log_range: Tensor | None, n: int) -> Tensor:
        """How far each channel's range is from the training slides', and whether that is known."""
        if log_range is None:
            return self.level_mean.new_zeros(n * len(marker_ids), 2)
        spread = self.level_spread[marker_ids]
        z = (log_range - self.level_mean[marker_ids]) / spread
        known = (spread > 0) & z.isfinite() & (z.abs() <= LEVEL_LIMIT)
        z = torch.where(known, z, torch.zeros_like(z))
        told = torch.stack([z, known.to(z.dtype)], -1)
        return told.expand(n, *told.shape[-2:]).reshape(-1, 2)


class TextTower(nn.Module):
    """One linear map from the features of a caption to the shared space.

    Additive on purpose: with some hundred patients a larger tower learns chance
    associations, and everything learnt here must be cheap to refit on
    bootstraps of the training patients (see ``training/text_heads.py``).
    """

    def __init__(self, features: int, dim: int) -> None:
        super().__init__()
        with warnings.catch_warnings():
            # A model without a text tower has no features, which torch remarks upon.
            warnings.filterwarnings("ignore", "Initializing zero-element tensors")
            self.head = nn.Linear(features, dim)
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.bias.zero_()

    def forward(self, features: Tensor) -> Tensor:
        """Map features (n, features) to (n, dim), not normalised."""
        out: Tensor = self.head(features)
        return out
