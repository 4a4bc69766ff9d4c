"""Regulariser against the gap between modalities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_haiku.training.objectives.base import (
    MIN_ROWS,
    Objective,
    ObjectiveOutput,
    modality_pairs,
    nothing_to_compare,
)
from napari_haiku.training.objectives.contrast import unit_rows

if TYPE_CHECKING:
    from napari_haiku.training.objectives.batch import ContrastiveBatch


class UniformityAlignment(Objective):
    """Spread each modality over the sphere, and pairs together.

    Averaged over the pairs of modalities. Strong in small batches: give it a
    weight near 0.1.

    Parameters
    ----------
    uniformity, alignment, cross : float
        Weights of spread within modalities, distance of pairs, and spread
        between modalities.

    References
    ----------
    Contrastive gap, arXiv 2405.18570.
    """

    name = "uniformity_alignment"

    def __init__(self, uniformity: float = 1.0, alignment: float = 1.0, cross: float = 1.0) -> None:
        super().__init__()
        self.weights = {"uniformity": uniformity, "alignment": alignment, "cross": cross}

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Evaluate the three terms on every pair of modalities."""
        found: dict[str, list[Tensor]] = {name: [] for name in self.weights}
        for a, b in modality_pairs(batch):
            rows = batch.rows_with(a, b)
            if len(rows) < MIN_ROWS:
                continue
            left, right = (unit_rows(batch.emb[name][rows]) for name in (a, b))
            found["uniformity"].append((uniformity(left) + uniformity(right)) / 2)
            found["alignment"].append((left - right).square().sum(1).mean())
            found["cross"].append(log_mean_closeness(left, right))
        if not found["alignment"]:
            return nothing_to_compare(batch)
        parts = {name: torch.stack(values).mean() for name, values in found.items()}
        loss = torch.stack([self.weights[name] * value for name, value in parts.items()]).sum()
        return ObjectiveOutput(loss, parts)


def uniformity(rows: Tensor, t: float = 2.0) -> Tensor:
    """Log of the mean closeness of different rows; lower is more spread out."""
    return log_mean_closeness(rows, rows, t)


def log_mean_closeness(a: Tensor, b: Tensor, t: float = 2.0) -> Tensor:
    """``ln mean_{i != j} exp(-t |a_i - b_j|^2)``, for rows of any length."""
    squared = (a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T).clamp(min=0)
    own = torch.eye(len(a), dtype=torch.bool, device=a.device)
    total = (-t * squared).masked_fill(own, -math.inf).flatten().logsumexp(0)
    return total - math.log(len(a) * (len(a) - 1))
