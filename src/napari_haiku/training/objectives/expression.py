"""A read-out of the marker means from each image's embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives.base import Objective, ObjectiveOutput, nothing_to_compare
from napari_haiku.training.objectives.contrast import unit_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.training.objectives.batch import ContrastiveBatch

# Rows after which the running mean and spread of a marker change ever more slowly.
MEMORY_ROWS = 20_000.0


class Expression(Objective):
    """Regulariser that keeps the marker means legible in an embedding.

    A linear read-out of each image modality predicts the standardised log
    marker means of the patch; markers that were not measured are left out, and
    every measured marker counts the same however often panels hold it. The
    read-outs are thrown away after training. This regulariser is this project's
    own, in no paper of the reading list: contrast alone only asks what tells
    patches apart, which is not every marker.

    Parameters
    ----------
    dim : int
        Length of the embeddings.
    markers : int
        Number of markers, M of ``batch.expression``.
    modalities : sequence of str
        Which embeddings are read out.
    standardise : bool
        Whether the means are standardised here, by a running mean and spread of
        each marker; otherwise they must come standardised.
    """

    name = "expression"
    needs = frozenset({"expression"})
    min_modalities = 1

    def __init__(
        self,
        dim: int,
        markers: int,
        modalities: Sequence[str] = ("he", "mif"),
        standardise: bool = True,
    ) -> None:
        super().__init__()
        if dim < 1 or markers < 1:
            raise HaikuError(
                "The objective expression must be told the length of the embeddings and the "
                "number of markers."
            )
        self.read_out = nn.ModuleDict({name: nn.Linear(dim, markers) for name in modalities})
        for layer in self.read_out.values():
            assert isinstance(layer, nn.Linear)  # noqa: S101  for the type checker
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.standardise = standardise
        self.register_buffer("seen", torch.zeros(markers))
        self.register_buffer("mean", torch.zeros(markers))
        self.register_buffer("variance", torch.ones(markers))
        self.seen: Tensor
        self.mean: Tensor
        self.variance: Tensor

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Squared error of each read-out over the measured markers."""
        assert batch.expression is not None  # noqa: S101  `needs` has been checked
        measured = torch.isfinite(batch.expression)
        if batch.expression_mask is not None:
            measured = measured & batch.expression_mask.bool()
        truth = batch.expression.detach().where(measured, 0)
        if self.standardise:
            if self.training:
                self._learn(truth, measured)
            truth = (truth - self.mean) / (self.variance + 1e-6).sqrt()
        parts: dict[str, Tensor] = {}
        watched: dict[str, float] = {}
        for name, layer in self.read_out.items():
            if name not in batch.emb:
                continue
            rows = batch.rows_with(name)
            counts = measured[rows]
            if not counts.any():
                continue
            vectors = unit_rows(batch.emb[name][rows])
            # Components of a unit vector are about 1/sqrt(dim); the read-out sees them near 1.
            guess = layer((vectors * vectors.shape[1] ** 0.5).to(self.mean.dtype))
            error = (guess - truth[rows].to(guess.dtype)).square().where(counts, 0)
            per_marker = error.sum(0) / counts.sum(0).clamp(min=1)
            parts[name] = per_marker.sum() / counts.any(0).sum()
            watched[f"r {name}"] = _mean_r(guess.detach(), truth[rows], counts)
        if not parts:
            return nothing_to_compare(batch)
        return ObjectiveOutput(torch.stack(list(parts.values())).mean(), parts, watched)

    @torch.no_grad()
    def _learn(self, truth: Tensor, measured: Tensor) -> None:
        n = measured.sum(0).to(self.seen.dtype)
        here = n.clamp(min=1)
        mean = truth.sum(0).to(self.mean.dtype) / here
        spread = (truth - mean).square().where(measured, 0).sum(0).to(self.mean.dtype) / here
        share = n / (self.seen + n).clamp(min=1)
        step = mean - self.mean
        self.variance.copy_(
            torch.where(
                self.seen + n > 0,
                (1 - share) * self.variance + share * spread + share * (1 - share) * step.square(),
                self.variance,
            )
        )
        self.mean.add_(share * step)
        self.seen.add_(n).clamp_(max=MEMORY_ROWS)


def _mean_r(guess: Tensor, truth: Tensor, measured: Tensor) -> float:
    """Mean correlation over the markers measured in three or more rows."""
    n = measured.sum(0)
    a, b = (
        (x - x.where(measured, 0).sum(0) / n.clamp(min=1)).where(measured, 0)
        for x in (guess.double(), truth.double())
    )
    spread = (a.square().sum(0) * b.square().sum(0)).sqrt()
    usable = (n > 2) & (spread > 1e-12)
    if not usable.any():
        return float("nan")
    return float(((a * b).sum(0)[usable] / spread[usable]).mean())
