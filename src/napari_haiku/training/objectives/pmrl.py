"""Whole tuples pulled onto one direction by their singular values."""

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
from napari_haiku.training.objectives.temperature import Temperature

if TYPE_CHECKING:
    from napari_haiku.training.objectives.batch import ContrastiveBatch


class Pmrl(Contrastive):
    """Full alignment is a Gram matrix of rank one.

    The largest singular value of each tuple is favoured over the others, and
    the leading directions of different tuples are told apart.

    Parameters
    ----------
    intra_temperature : float
        Temperature of the softmax over singular values.
    inter : float
        Weight of telling directions apart.
    **shared
        See :class:`Contrastive`; the temperature is that of directions.

    References
    ----------
    PMRL, arXiv 2507.17343.
    """

    name = "pmrl"
    default_temperature = 0.1

    def __init__(
        self, intra_temperature: float = 0.05, inter: float = 1.0, **shared: object
    ) -> None:
        super().__init__(**shared)  # type: ignore[arg-type]
        self.intra_temperature = Temperature(intra_temperature)
        self.inter = inter

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Compare singular values within, and leading directions between, tuples."""
        names = list(batch.emb)
        rows = batch.rows_with(*names)
        if len(rows) < MIN_ROWS:
            return nothing_to_compare(batch)
        stacked = torch.stack([unit_rows(batch.emb[name][rows]) for name in names], 1)
        values, direction = leading_direction(stacked)
        first = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
        intra = log_softmax_nll(values * self.intra_temperature(), first).mean()
        weights = self.negatives.log_weights(batch, rows, with_text="text" in names)
        logits = direction @ direction.T * self.temperature()
        inter = log_softmax_nll(
            logits,
            diagonal(len(rows), logits),
            None if weights is None else weights.to(logits.dtype),
            self.label_smoothing,
        ).mean()
        share = values.detach()[:, 0].square() / len(names)
        return ObjectiveOutput(
            intra + self.inter * inter,
            {"intra": intra, "inter": inter},
            self.watched() | {"leading share": float(share.mean())},
        )


def leading_direction(stacked: Tensor) -> tuple[Tensor, Tensor]:
    """Singular values, largest first, and the leading direction of each tuple.

    The small Gram matrix is taken apart without a graph; value and slope are
    then put back to first order. Unlike the derivative of a full
    decomposition this stays finite where singular values are equal, as they are
    when all modalities agree. The sign of the direction is that of the sum of
    the rows, not the linear algebra library's choice.

    Parameters
    ----------
    stacked : Tensor (n, m, d)
        Unit rows of each modality.

    Returns
    -------
    values : Tensor (n, m)
    direction : Tensor (n, d)
    """
    gram = stacked @ stacked.transpose(1, 2)
    with torch.no_grad():
        eigenvalues, vectors = torch.linalg.eigh(gram)
        eigenvalues, vectors = eigenvalues.flip(1), vectors.flip(2)
        sign = torch.where(vectors[:, :, :1].sum(1, keepdim=True) < 0, -1.0, 1.0)
        lead = vectors[:, :, :1] * sign
        gap = (eigenvalues[:, :1] - eigenvalues[:, 1:]).clamp(min=1e-6)
        rest = vectors[:, :, 1:]
        turn = (rest / gap[:, None]) @ rest.transpose(1, 2)
    squared = (vectors * (gram @ vectors)).sum(1)
    values = (squared.clamp(min=0) + 1e-14).sqrt()
    lead = lead + turn @ ((gram - gram.detach()) @ lead)
    direction = (stacked.transpose(1, 2) @ lead)[:, :, 0] / values[:, :1]
    return values, direction
