"""mIF tower: attention within each channel and across the channels of a patch.

Any panel, mixed panels in one batch. Tokens of all samples lie in one tensor
of shape (channels of all samples, positions, width), each sample led by its
summary channel; no padding anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from napari_haiku.errors import HaikuError
from napari_haiku.model.published.marker_table import MarkerTable
from napari_haiku.model.published.rotary import Rotary, rotary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.model.published.config import MifSizes

# Tokens worked on at a time outside training: small enough to stay in a CPU's cache.
CHUNK_TOKENS = 4096


@dataclass(frozen=True)
class Layout:
    """How the channels of a batch belong together.

    Parameters
    ----------
    lengths : tuple of int
        Channels of each sample, its summary channel included.
    height, width : int
        Token grid of every channel.
    """

    lengths: tuple[int, ...]
    height: int
    width: int

    @property
    def starts(self) -> tuple[int, ...]:
        """First channel of each sample: its summary channel."""
        starts, at = [], 0
        for length in self.lengths:
            starts.append(at)
            at += length
        return tuple(starts)


@dataclass(frozen=True)
class MifOutput:
    """What the mIF tower gives.

    Parameters
    ----------
    embedding : Tensor, shape (n, dim)
        Mean of each sample's summary channel; not normalised.
    tokens : tuple of Tensor, each (c, height, width, dim)
        Channel tokens after the last block.
    summaries : tuple of Tensor, each (height, width, dim)
        Summary tokens after the last block.
    """

    embedding: torch.Tensor
    tokens: tuple[torch.Tensor, ...]
    summaries: tuple[torch.Tensor, ...]


class MifBlock(nn.Module):
    """One pre-norm transformer block.

    Parameters
    ----------
    sizes : MifSizes
        Width, heads and feed-forward width.
    across : bool
        Attend across the channels of a sample at each position (``v``) rather
        than across the positions of each channel (``h``).
    """

    def __init__(self, sizes: MifSizes, *, across: bool) -> None:
        super().__init__()
        self.across = across
        self.heads = sizes.heads
        self.norm1 = nn.LayerNorm(sizes.dim)
        self.qkv = nn.Linear(sizes.dim, 3 * sizes.dim)
        self.out = nn.Linear(sizes.dim, sizes.dim)
        self.norm2 = nn.LayerNorm(sizes.dim)
        self.expand = nn.Linear(sizes.dim, sizes.feedforward)
        self.contract = nn.Linear(sizes.feedforward, sizes.dim)

    def forward(
        self,
        x: torch.Tensor,
        layout: Layout,
        rotation: Rotary,
        masked: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Update every token; masked ones are neither seen nor changed.

        Parameters
        ----------
        x : Tensor, shape (channels, positions, dim)
            Tokens of all samples.
        layout : Layout
            Which channels belong together.
        rotation : Rotary
            Rotary angles of the positions.
        masked : Tensor of bool, shape (channels, positions), optional
            Tokens to leave out.
        """
        if self.across:
            pieces = []
            for start, length in zip(layout.starts, layout.lengths, strict=True):
                rows = slice(start, start + length)
                hidden = None if masked is None else masked[rows].T
                pieces.append(self._sequence(x[rows].transpose(0, 1), None, hidden).transpose(0, 1))
            updated = torch.cat(pieces)
        else:
            updated = self._sequence(x, rotation, masked)
        return updated if masked is None else torch.where(masked[..., None], x, updated)

    def infer_(self, x: torch.Tensor, layout: Layout, rotation: Rotary) -> None:
        """Update `x` in place, a few sequences at a time; for inference only."""
        if not self.across:
            step = max(1, CHUNK_TOKENS // x.shape[1])
            for start in range(0, len(x), step):
                rows = slice(start, start + step)
                x[rows] = self._sequence(x[rows], rotation, None)
            return
        for start, length in zip(layout.starts, layout.lengths, strict=True):
            sample = x[start : start + length].transpose(0, 1)
            step = max(1, CHUNK_TOKENS // length)
            for at in range(0, len(sample), step):
                rows = slice(at, at + step)
                sample[rows] = self._sequence(sample[rows].contiguous(), None, None)

    def summaries(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Only the updated summary channels of a ``v`` block, shape (n, positions, dim).

        The last block's other outputs feed nothing, so neither their attention
        nor their feed-forward is worked out.
        """
        dim = x.shape[-1]
        weight, bias = self.qkv.weight, self.qkv.bias
        out = []
        for start, length in zip(layout.starts, layout.lengths, strict=True):
            sample = x[start : start + length].transpose(0, 1)
            step = max(1, CHUNK_TOKENS // length)
            for at in range(0, len(sample), step):
                sequence = sample[at : at + step]
                normed = self.norm1(sequence)
                query = nn.functional.linear(normed[:, :1], weight[:dim], bias[:dim])
                keys = nn.functional.linear(normed, weight[dim:], bias[dim:])
                q = self._heads(query)
                k, v = (self._heads(part) for part in keys.chunk(2, dim=-1))
                attended = scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
                summary = sequence[:, :1] + self.out(attended)
                out.append((summary + self._feedforward(summary))[:, 0])
        return torch.cat(out).view(len(layout.lengths), x.shape[1], dim)

    def _sequence(
        self, x: torch.Tensor, rotation: Rotary | None, masked: torch.Tensor | None
    ) -> torch.Tensor:
        q, k, v = (self._heads(part) for part in self.qkv(self.norm1(x)).chunk(3, dim=-1))
        if rotation is not None:
            q, k = rotation.turn(q), rotation.turn(k)
        seen = None
        if masked is not None:
            # A sequence with nothing to see is discarded by the caller, but must not become NaN.
            seen = (~masked | masked.all(1, keepdim=True))[:, None, None, :]
        attended = scaled_dot_product_attention(q, k, v, attn_mask=seen)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self._feedforward(x)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def _feedforward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.contract(nn.functional.gelu(self.expand(self.norm2(x))))
        return result


class MifTower(nn.Module):
    """Tower over mIF patches of any panel.

    Parameters
    ----------
    sizes : MifSizes
        Width, heads and block pattern.
    marker_names : sequence of str
        Markers with a vector of their own.
    marker_dim : int
        Length of a raw marker vector.
    """

    def __init__(self, sizes: MifSizes, marker_names: Sequence[str], marker_dim: int) -> None:
        super().__init__()
        self.sizes = sizes
        self.markers = MarkerTable(marker_names, marker_dim, sizes.dim)
        self.pixels = nn.Linear(sizes.patch_size**2, sizes.dim)
        self.summary_token = nn.Parameter(torch.zeros(sizes.dim))
        self.mask_token = nn.Parameter(torch.zeros(sizes.dim))
        self.blocks = nn.ModuleList(
            MifBlock(sizes, across=letter == "v") for letter in sizes.pattern
        )

    def forward(
        self,
        tiles: Sequence[torch.Tensor],
        markers: Sequence[Sequence[str]],
        masks: Sequence[torch.Tensor] | None = None,
    ) -> MifOutput:
        """Run the tower and keep every token; differentiable.

        Parameters
        ----------
        tiles : sequence of Tensor, each (c, height, width, patch_size**2)
            Standardised, blurred pixels of each sample; one token grid for all.
        markers : sequence of sequences of str
            Marker names of each sample's channels.
        masks : sequence of Tensor of bool, each (c, height, width), optional
            Tokens hidden from the tower (pre-training only).

        Raises
        ------
        HaikuError
            Names and channels differ in number, or token grids differ.
        """
        x, layout = self._tokens(tiles, markers, masks)
        masked = None if masks is None else self._masked(masks)
        rotation = self._rotation(layout, x)
        for block in self.blocks:
            x = block(x, layout, rotation, masked)
        tokens, summaries = [], []
        for start, length in zip(layout.starts, layout.lengths, strict=True):
            grid = x[start : start + length].view(length, layout.height, layout.width, -1)
            summaries.append(grid[0])
            tokens.append(grid[1:])
        embedding = torch.stack([summary.flatten(0, 1).mean(0) for summary in summaries])
        return MifOutput(embedding, tuple(tokens), tuple(summaries))

    @torch.no_grad()
    def embed(
        self, tiles: Sequence[torch.Tensor], markers: Sequence[Sequence[str]]
    ) -> torch.Tensor:
        """Embeddings alone, shape (n, dim): less work and memory than :meth:`forward`.

        Raises
        ------
        HaikuError
            As :meth:`forward`.
        """
        x, layout = self._tokens(tiles, markers, None)
        rotation = self._rotation(layout, x)
        blocks = [block for block in self.blocks if isinstance(block, MifBlock)]
        last = blocks[-1]
        for block in blocks[:-1] if last.across else blocks:
            block.infer_(x, layout, rotation)
        summaries = last.summaries(x, layout) if last.across else x[list(layout.starts)]
        return summaries.mean(1)

    def _tokens(
        self,
        tiles: Sequence[torch.Tensor],
        markers: Sequence[Sequence[str]],
        masks: Sequence[torch.Tensor] | None,
    ) -> tuple[torch.Tensor, Layout]:
        layout = _layout(tiles, markers)
        positions = layout.height * layout.width
        summary = self.summary_token.expand(1, positions, -1)
        pieces = []
        for sample, (grid, names) in enumerate(zip(tiles, markers, strict=True)):
            tokens = self.pixels(grid.flatten(1, 2))
            if masks is not None:
                tokens = torch.where(masks[sample].flatten(1)[..., None], self.mask_token, tokens)
            pieces += [summary, tokens + self.markers(names)[:, None]]
        return torch.cat(pieces), layout

    def _masked(self, masks: Sequence[torch.Tensor]) -> torch.Tensor:
        seen = masks[0].new_zeros(1, masks[0][0].numel())
        return torch.cat([part for mask in masks for part in (seen, mask.flatten(1))])

    def _rotation(self, layout: Layout, x: torch.Tensor) -> Rotary:
        return rotary(
            layout.height,
            layout.width,
            self.sizes.head_dim,
            self.sizes.rope_temperature,
            x.device,
            x.dtype,
        )


def _layout(tiles: Sequence[torch.Tensor], markers: Sequence[Sequence[str]]) -> Layout:
    if not tiles or len(tiles) != len(markers):
        raise HaikuError(
            f"The mIF tower was given {len(tiles)} patches and {len(markers)} lists of markers: "
            "give at least one patch and one list for each."
        )
    grids = {tuple(sample.shape[1:3]) for sample in tiles}
    if len(grids) != 1:
        raise HaikuError(
            "The mIF patches of one batch differ in height or width: resample them to one size."
        )
    for sample, names in zip(tiles, markers, strict=True):
        if len(sample) != len(names):
            raise HaikuError(
                f"An mIF patch has {len(sample)} channels but {len(names)} marker names: "
                "give one name for each channel."
            )
    height, width = grids.pop()
    return Layout(tuple(len(sample) + 1 for sample in tiles), height, width)
