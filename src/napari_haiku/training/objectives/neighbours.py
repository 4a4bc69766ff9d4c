"""Contrast whose right answers are all patches of alike expression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives.base import (
    Contrastive,
    ObjectiveOutput,
    complete_rows,
    modality_pairs,
    nothing_to_compare,
)
from napari_haiku.training.objectives.contrast import soft_nll

if TYPE_CHECKING:
    from napari_haiku.training.objectives.batch import ContrastiveBatch


class ExpressionNeighbours(Contrastive):
    """Cross-entropy with targets spread over the patches that express alike.

    The share of patch j in the target of patch i falls with the mean squared
    difference of their standardised marker means, over the markers measured in
    both. What is retrieved then agrees in expression even where it is not the
    very same patch, which is what predictions from neighbours live on. This
    objective is this project's own; the idea of graded targets is that of CWCL
    (arXiv 2309.14580).

    Parameters
    ----------
    width : float
        Difference at which a patch's share has fallen to 1/e.
    **shared
        See :class:`Contrastive`; targets need standardised expression.
    """

    name = "expression_neighbours"
    needs = frozenset({"expression"})

    def __init__(self, width: float = 0.1, **shared: object) -> None:
        super().__init__(**shared)  # type: ignore[arg-type]
        if not width > 0:
            raise HaikuError(f"The width of expression_neighbours must be above 0, not {width}.")
        self.width = width

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Compare every two modalities, both ways."""
        scale = self.temperature()
        parts: dict[str, Tensor] = {}
        for a, b in modality_pairs(batch):
            unit = complete_rows(batch, (a, b))
            if unit is None:
                continue
            targets = self._targets(batch, batch.rows_with(a, b))
            logits = unit[a] @ unit[b].T * scale
            parts[f"{a}-{b}"] = (
                soft_nll(logits, targets).mean() + soft_nll(logits.T, targets).mean()
            ) / 2
        if not parts:
            return nothing_to_compare(batch)
        return ObjectiveOutput(torch.stack(list(parts.values())).mean(), parts, self.watched())

    @torch.no_grad()
    def _targets(self, batch: ContrastiveBatch, rows: Tensor) -> Tensor:
        assert batch.expression is not None  # noqa: S101  `needs` has been checked
        z = batch.expression[rows]
        measured = torch.isfinite(z)
        if batch.expression_mask is not None:
            measured = measured & batch.expression_mask[rows].bool()
        there = measured.to(z.dtype)
        z = z.where(measured, 0)
        shared = there @ there.T
        # sum over shared markers of (a - b)^2, as three products.
        squared = (z**2) @ there.T + there @ (z**2).T - 2 * z @ z.T
        difference = (squared / shared.clamp(min=1)).clamp(min=0)
        difference = difference.masked_fill(shared == 0, torch.inf).fill_diagonal_(0)
        return torch.softmax(-difference / self.width, 1)
