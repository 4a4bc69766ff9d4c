"""Contrast within a modality."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_haiku.training.objectives.base import (
    MIN_ROWS,
    Contrastive,
    ObjectiveOutput,
    modality_pairs,
    nothing_to_compare,
)
from napari_haiku.training.objectives.contrast import diagonal, log_softmax_nll, unit_rows
from napari_haiku.training.objectives.pairwise import one_way

if TYPE_CHECKING:
    from napari_haiku.training.objectives.batch import ContrastiveBatch


class IntraModal(Contrastive):
    """Rows of the same modality as further negatives, or two views of a modality.

    With ``batch.views`` each modality that has a second view is contrasted with
    it. Without, every pair of modalities is contrasted with the other rows of
    the query's own modality among the negatives.

    Parameters
    ----------
    intra_weight : float
        Factor on similarities within a modality.
    compatible : bool
        The release multiplies a row's similarity with itself by zero, so that it
        stays in the denominator with a logit of 0; True repeats that.
    **shared
        See :class:`Contrastive`.

    References
    ----------
    M3EL, arXiv 2412.10440 (negatives); TCL, arXiv 2202.10401 (views).
    """

    name = "intra_modal"
    default_temperature = 0.03

    def __init__(
        self, intra_weight: float = 0.8, compatible: bool = False, **shared: object
    ) -> None:
        super().__init__(**shared)  # type: ignore[arg-type]
        self.intra_weight, self.compatible = intra_weight, compatible

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Contrast with the views, or with further negatives."""
        parts = self._with_views(batch) if batch.views else self._with_negatives(batch)
        if not parts:
            return nothing_to_compare(batch)
        return ObjectiveOutput(torch.stack(list(parts.values())).mean(), parts, self.watched())

    def _with_views(self, batch: ContrastiveBatch) -> dict[str, Tensor]:
        parts = {}
        for name in batch.emb:
            rows = batch.rows_with(name)
            if name not in batch.views or len(rows) < MIN_ROWS:
                continue
            parts[f"{name}-{name}"] = one_way(
                unit_rows(batch.emb[name][rows]),
                unit_rows(batch.views[name][rows]),
                self.temperature(),
                self.negatives,
                batch,
                rows,
                target=name,
                with_text=name == "text",
                smoothing=self.label_smoothing,
            )
        return parts

    def _with_negatives(self, batch: ContrastiveBatch) -> dict[str, Tensor]:
        parts = {}
        for a, b in modality_pairs(batch):
            rows = batch.rows_with(a, b)
            if len(rows) < MIN_ROWS:
                continue
            left, right = (unit_rows(batch.emb[name][rows]) for name in (a, b))
            masked = self.negatives.log_weights(batch, rows, with_text="text" in (a, b))
            parts[f"{a}-{b}"] = (
                self._one_way(left, right, masked) + self._one_way(right, left, masked)
            ) / 2
        return parts

    def _one_way(self, queries: Tensor, candidates: Tensor, masked: Tensor | None) -> Tensor:
        scale = self.temperature()
        n = len(queries)
        own = torch.eye(n, dtype=torch.bool, device=queries.device)
        inter = queries @ candidates.T * scale
        intra = (queries @ queries.T * self.intra_weight * scale).masked_fill(own, 0.0)
        apart = torch.zeros_like(inter) if masked is None else masked.to(inter.dtype)
        beside = apart if self.compatible else apart.masked_fill(own, -math.inf)
        return log_softmax_nll(
            torch.cat([inter, intra], 1),
            diagonal(n, inter),
            torch.cat([apart, beside], 1),
            self.label_smoothing,
        ).mean()
