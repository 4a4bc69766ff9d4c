"""Whole tuples compared by the volume that their vectors span."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_haiku.training.objectives.base import (
    MIN_ROWS,
    Contrastive,
    ObjectiveOutput,
    nothing_to_compare,
)
from napari_haiku.training.objectives.contrast import diagonal, log_softmax_nll, unit_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.training.objectives.batch import ContrastiveBatch


class Gram(Contrastive):
    """Contrast by the volume of the parallelepiped of all modalities, smaller is better.

    Only the anchor is swapped to make wrong tuples. The volume does not see
    signs, and where two modalities agree it is near zero whatever the third:
    for registered H&E and mIF it says little about the text.

    Parameters
    ----------
    anchor : str
        The modality that is swapped; the first one where it is absent.
    **shared
        See :class:`Contrastive`; the temperature is learnt and labels smoothed
        by 0.1 unless said otherwise.

    References
    ----------
    GRAM, arXiv 2412.11959.
    """

    name = "gram"

    def __init__(self, anchor: str = "text", **shared: object) -> None:
        super().__init__(**({"learnable": True, "label_smoothing": 0.1} | shared))  # type: ignore[arg-type]
        self.anchor = anchor

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Compare the anchor of every row with the other modalities of every row."""
        names = list(batch.emb)
        rows = batch.rows_with(*names)
        if len(rows) < MIN_ROWS:
            return nothing_to_compare(batch)
        anchor = self.anchor if self.anchor in names else names[0]
        unit = {name: unit_rows(batch.emb[name][rows]) for name in names}
        others = [unit[name] for name in names if name != anchor]
        # The root has no slope at a volume of exactly zero; this keeps it finite.
        volume = (squared_volumes(unit[anchor], others) + 1e-9).sqrt()
        logits = -volume * self.temperature()
        weights = self.negatives.log_weights(batch, rows, with_text="text" in names)
        weights = None if weights is None else weights.to(logits.dtype)
        at = diagonal(len(rows), logits)
        parts = {
            f"{anchor}->others": log_softmax_nll(logits, at, weights, self.label_smoothing).mean(),
            f"others->{anchor}": log_softmax_nll(
                logits.T, at, weights, self.label_smoothing
            ).mean(),
        }
        watched = self.watched() | {"volume": float(volume.detach().diagonal().mean())}
        return ObjectiveOutput(torch.stack(list(parts.values())).mean(), parts, watched)


def squared_volumes(anchor: Tensor, others: Sequence[Tensor]) -> Tensor:
    """Squared volume spanned by anchor row i and the others' rows j.

    The others are made orthogonal once a row, so that each pair costs one inner
    product a modality and no determinant: vol2 = det(G_others) (1 - |Q a|2).

    Parameters
    ----------
    anchor : Tensor (n, d)
        Unit rows.
    others : sequence of Tensor (m, d)
        Unit rows of the other modalities.

    Returns
    -------
    Tensor (n, m)
        Zero or more.
    """
    basis: list[Tensor] = []
    base = torch.ones(len(others[0]), dtype=anchor.dtype, device=anchor.device)
    for rows in others:
        residual = rows
        for direction in basis:
            residual = residual - (residual * direction).sum(1, keepdim=True) * direction
        height = residual.square().sum(1)
        base = base * height
        # A row in the span of those before has no direction of its own; its height is zero.
        tiny = torch.finfo(rows.dtype).eps ** 2
        basis.append(residual / (height + tiny).sqrt()[:, None])
    inside = torch.stack([(anchor @ direction.T).square() for direction in basis]).sum(0)
    return base[None] * (1 - inside).clamp(min=0)
