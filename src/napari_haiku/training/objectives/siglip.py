"""Every pair of rows judged on its own, without a softmax over the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_haiku.training.objectives.base import (
    MIN_ROWS,
    Contrastive,
    ObjectiveOutput,
    modality_pairs,
    nothing_to_compare,
)
from napari_haiku.training.objectives.contrast import unit_rows

if TYPE_CHECKING:
    from napari_haiku.training.objectives.batch import ContrastiveBatch


class Siglip(Contrastive):
    """Sigmoid loss: is this pair of rows a match or not.

    Mean over the pairs of modalities of ``-mean_i sum_j log sigmoid(y_ij (t a_i.b_j
    + bias))``. Needs no sum over the batch, so it suits small and ragged batches.

    Parameters
    ----------
    bias : float
        First bias, learnt; negatives outnumber positives, so it starts low.
    **shared
        See :class:`Contrastive`; the temperature (1/t) is learnt unless said
        otherwise.

    References
    ----------
    SigLIP, arXiv 2303.15343.
    """

    name = "siglip"
    default_temperature = 0.1
    smooths = False

    def __init__(self, bias: float = -10.0, **shared: object) -> None:
        super().__init__(**({"learnable": True} | shared))  # type: ignore[arg-type]
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Judge every pair of rows of every two modalities."""
        scale = self.temperature()
        parts: dict[str, Tensor] = {}
        for a, b in modality_pairs(batch):
            rows = batch.rows_with(a, b)
            if len(rows) < MIN_ROWS:
                continue
            with_text = "text" in (a, b)
            left, right = (unit_rows(batch.emb[name][rows]) for name in (a, b))
            sign = 2 * torch.eye(len(rows), device=left.device, dtype=left.dtype) - 1
            same = self.negatives.same(batch, "text", rows) if with_text else None
            if self.negatives.duplicates == "share" and same is not None:
                sign = sign.masked_fill(same, 1.0)
            terms = functional.logsigmoid(sign * (left @ right.T * scale + self.bias))
            weights = self.negatives.log_weights(batch, rows, with_text=with_text)
            if weights is not None:
                weights = weights.masked_fill(sign > 0, 0.0)
            loss = -self._weighed(terms, weights).sum(1).mean()
            for query, name in ((left, b), (right, a)):
                if name in batch.queue:
                    loss = loss + self._queued(batch, query, name, rows, scale, with_text) / 2
            parts[f"{a}-{b}"] = loss
        if not parts:
            return nothing_to_compare(batch)
        watched = self.watched() | {"bias": float(self.bias.detach())}
        return ObjectiveOutput(torch.stack(list(parts.values())).mean(), parts, watched)

    def _queued(
        self,
        batch: ContrastiveBatch,
        query: Tensor,
        name: str,
        rows: Tensor,
        scale: Tensor | float,
        with_text: bool,
    ) -> Tensor:
        far = query @ unit_rows(batch.queue[name]).detach().T * scale + self.bias
        weights = self.negatives.log_weights(batch, rows, with_text=with_text, queued=True)
        return -self._weighed(functional.logsigmoid(-far), weights).sum(1).mean()

    @staticmethod
    def _weighed(terms: Tensor, log_weights: Tensor | None) -> Tensor:
        return terms if log_weights is None else terms * log_weights.exp().to(terms.dtype)
