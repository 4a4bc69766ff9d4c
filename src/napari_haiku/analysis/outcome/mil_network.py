"""Attention MIL: which patches of a bag matter, and what they say together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from napari_haiku.analysis.outcome.mil_bags import Bags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_haiku.analysis.outcome.mil_targets import Target

EPOCHS = 120
_ATTENTION = 128
_LEARNING_RATE = 3e-3
_LAST_RATE = 0.01
_COORDINATES = 96
_KEPT_SHARE = 0.6
_FEWEST_KEPT = 8


@dataclass(frozen=True)
class AttentionSettings:
    """Size and restraint of an attention head.

    Parameters
    ----------
    width : int
        Features of an encoded patch.
    dropout : float
        Share of features left out in training.
    weight_decay : float
        Of AdamW.
    epochs : int
        Passes over the cohort, of :data:`EPOCHS` that the learning rate is
        planned for.
    """

    width: int = 32
    dropout: float = 0.25
    weight_decay: float = 0.01
    epochs: int = EPOCHS


class AttentionNetwork(nn.Module):
    """Encoder of patches, attention over the bag, head.

    Parameters
    ----------
    dim, outputs : int
        Length of a patch's vector; scores a bag.
    settings : AttentionSettings
        Width and dropout.
    """

    def __init__(self, dim: int, outputs: int, settings: AttentionSettings) -> None:
        super().__init__()
        width, drop = settings.width, settings.dropout
        self.encoder = nn.Sequential(
            nn.Linear(dim, width),
            nn.GELU(),
            nn.Dropout(drop),
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.GELU(),
            nn.LayerNorm(width),
        )
        self.keys = nn.Linear(width, _ATTENTION)
        self.query = nn.Linear(_ATTENTION, 1, bias=False)
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Dropout(drop), nn.Linear(width, outputs)
        )

    def forward(self, patches: Tensor, filled: Tensor) -> Tensor:
        """Return scores, (bags, outputs), of padded bags."""
        encoded = self.encoder(patches)
        pooled = (self.weights(encoded, filled)[..., None] * encoded).sum(dim=1)
        scores: Tensor = self.head(pooled)
        return scores

    def weights(self, encoded: Tensor, filled: Tensor) -> Tensor:
        """Return how much each patch counts; places without a patch count nothing."""
        score = self.query(torch.tanh(self.keys(encoded)))[..., 0]
        return torch.softmax(score.masked_fill(~filled, -torch.inf), dim=1)


@dataclass(frozen=True)
class AttentionHead:
    """A trained network with what its inputs are scaled by.

    Parameters
    ----------
    network : AttentionNetwork
        In evaluation mode.
    centre : ndarray, shape (dim,)
        Mean of the training patches.
    axes : ndarray, shape (dim, coordinates)
        Their principal axes, each over its SD.
    """

    network: AttentionNetwork
    centre: NDArray[np.float32]
    axes: NDArray[np.float32]

    def scores(self, bags: Bags) -> NDArray[np.float64]:
        """Score bags, (bags, outputs)."""
        return _scores(self.network, *_block(bags, self.centre, self.axes))


def attention_path(
    train: Bags,
    target: Target,
    settings: AttentionSettings,
    *,
    epochs: Sequence[int],
    held: Bags | None,
    seed: int,
) -> tuple[list[NDArray[np.float64]], AttentionHead]:
    """Train a head and score held-out bags after some of its epochs.

    Parameters
    ----------
    train : Bags
        Bags to learn from.
    target : Target
        Their outcome.
    settings : AttentionSettings
        Of the network.
    epochs : sequence of int
        When to score, ascending; training ends after the last.
    held : Bags or None
        Bags to score.
    seed : int
        Same seed, same head.

    Returns
    -------
    scores : list of ndarray, one an entry of `epochs`
        Empty without held-out bags.
    head : AttentionHead
        As it is after the last epoch.
    """
    train = train.thinned(seed=seed)
    centre, axes = _principal(train)
    patches, filled = _block(train, centre, axes)
    waiting = None if held is None else _block(held.thinned(seed=seed), centre, axes)
    loss = target.loss()
    scores: list[NDArray[np.float64]] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = AttentionNetwork(axes.shape[1], target.n_outputs, settings)
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=_LEARNING_RATE, weight_decay=settings.weight_decay
        )
        plan = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimiser, EPOCHS, eta_min=_LEARNING_RATE * _LAST_RATE
        )
        for epoch in range(1, max(epochs) + 1):
            network.train()
            optimiser.zero_grad()
            loss(network(*_some(patches, filled))).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            plan.step()
            if waiting is not None and epoch in epochs:
                scores.append(_scores(network, *waiting))
    return scores, AttentionHead(network.eval(), centre, axes)


def _principal(bags: Bags) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centre and scaled principal axes of the patches, every bag with equal say."""
    centre = bags.mean().mean(axis=0)
    root = np.sqrt(1 / (len(bags) * bags.sizes))[bags.bag]
    weighted = (bags.vectors - centre) * root[:, None]
    value, vector = np.linalg.eigh(weighted.T @ weighted)
    kept = np.flatnonzero(value > value[-1] * 1e-6)[::-1][:_COORDINATES]
    # One scale for all: small directions stay small.
    scale = np.sqrt(value[kept].mean())
    axes = vector[:, kept] / max(scale, 1e-12)
    return centre.astype(np.float32), axes.astype(np.float32)


def _block(
    bags: Bags, centre: NDArray[np.float32], axes: NDArray[np.float32]
) -> tuple[Tensor, Tensor]:
    turned = Bags(((bags.vectors - centre) @ axes).astype(np.float32), bags.sizes)
    block, filled = turned.padded()
    return torch.from_numpy(block), torch.from_numpy(filled)


def _some(patches: Tensor, filled: Tensor) -> tuple[Tensor, Tensor]:
    """Draw some patches of every bag: a new view of it each epoch."""
    most = patches.shape[1]
    kept = max(min(most, _FEWEST_KEPT), round(_KEPT_SHARE * most))
    if kept == most:
        return patches, filled
    order = torch.rand(filled.shape).masked_fill(~filled, 2.0).argsort(dim=1)[:, :kept]
    return (
        torch.gather(patches, 1, order[..., None].expand(-1, -1, patches.shape[2])),
        torch.gather(filled, 1, order),
    )


def _scores(network: AttentionNetwork, patches: Tensor, filled: Tensor) -> NDArray[np.float64]:
    network.eval()
    with torch.inference_mode():
        found: NDArray[np.float64] = network(patches, filled).double().numpy()
    return found
