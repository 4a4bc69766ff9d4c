"""Regulariser that makes the dimensions of two modalities agree and differ from each other."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from napari_haiku.training.objectives.batch import ContrastiveBatch


class Barlow(Objective):
    """Redundancy reduction between every two modalities, averaged.

    Parameters
    ----------
    off_diagonal : float
        Weight of the correlation between different dimensions.
    scale : float
        Factor on the whole.

    References
    ----------
    CLIP-Rocket, arXiv 2305.08675.
    """

    name = "barlow"

    def __init__(self, off_diagonal: float = 5e-3, scale: float = 0.025) -> None:
        super().__init__()
        self.off_diagonal, self.scale = off_diagonal, scale

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Evaluate the term on every pair of modalities."""
        parts: dict[str, Tensor] = {}
        for a, b in modality_pairs(batch):
            rows = batch.rows_with(a, b)
            if len(rows) < MIN_ROWS:
                continue
            left, right = (standardised(batch.emb[name][rows]) for name in (a, b))
            parts[f"{a}-{b}"] = self.scale * redundancy(left, right, self.off_diagonal)
        if not parts:
            return nothing_to_compare(batch)
        return ObjectiveOutput(torch.stack(list(parts.values())).mean(), parts)


def standardised(rows: Tensor) -> Tensor:
    """Each dimension with mean 0 and spread 1 over the rows; a constant one stays 0."""
    centred = rows - rows.mean(0)
    return centred / (centred.square().mean(0) + 1e-12).sqrt()


def redundancy(left: Tensor, right: Tensor, off_diagonal: float) -> Tensor:
    """Distance of the correlation of standardised rows from the identity."""
    correlation = left.T @ right / len(left)
    on = correlation.diagonal()
    off = correlation.square().sum() - on.square().sum()
    return (1 - on).square().sum() + off_diagonal * off
