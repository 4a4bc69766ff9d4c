"""Targets graded by how similar the tissue is to a frozen encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives.base import (
    MIN_ROWS,
    Contrastive,
    ObjectiveOutput,
    nothing_to_compare,
)
from napari_haiku.training.objectives.contrast import (
    diagonal,
    log_softmax_nll,
    soft_nll,
    unit_rows,
)

if TYPE_CHECKING:
    from napari_haiku.training.objectives.batch import ContrastiveBatch


class Cwcl(Contrastive):
    """Continuously weighted contrast: similar tissue is partly right.

    From the frozen side, every candidate is a target to the degree that the
    frozen features of its row resemble the query's; the other way round each row
    has its one answer.

    Parameters
    ----------
    side : str, optional
        Modality whose frozen features grade the targets; the first of H&E, mIF
        that has some.
    power : float
        Weights are raised to it: plain ones are at least near a half, nearly
        flat.
    threshold : float
        Weights below it are zero.
    **shared
        See :class:`Contrastive`.

    References
    ----------
    CWCL, arXiv 2309.14580; marker by marker as CellCLIP.
    """

    name = "cwcl"
    needs = frozenset({"frozen"})

    def __init__(
        self,
        side: str | None = None,
        power: float = 1.0,
        threshold: float = 0.0,
        **shared: object,
    ) -> None:
        super().__init__(**shared)  # type: ignore[arg-type]
        if not power > 0 or not 0 <= threshold < 1:
            raise HaikuError(
                "cwcl takes a power above 0 and a threshold from 0 to below 1, not "
                f"{power} and {threshold}."
            )
        self.side, self.power, self.threshold = side, power, threshold

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Compare the frozen side with every other modality."""
        side = self.side or next((m for m in batch.emb if m in batch.frozen and m != "text"), None)
        if side is None or side not in batch.frozen:
            raise HaikuError(
                f"The objective cwcl needs frozen features of {side or 'H&E or mIF'}, which this "
                "run does not offer: choose another side."
            )
        parts: dict[str, Tensor] = {}
        mean_weight = 0.0
        for other in batch.emb:
            rows = batch.rows_with(side, other)
            if other == side or side not in batch.emb or len(rows) < MIN_ROWS:
                continue
            mask = batch.frozen_mask.get(side)
            weights = similarity_weights(
                batch.frozen[side][rows],
                None if mask is None else mask[rows],
                self.power,
                self.threshold,
            )
            parts[f"{side}-{other}"] = self._term(batch, side, other, rows, weights)
            n = len(rows)
            mean_weight = float((weights.sum() - n) / (n * (n - 1)))
        if not parts:
            return nothing_to_compare(batch)
        watched = self.watched() | {"weight of other rows": mean_weight}
        return ObjectiveOutput(torch.stack(list(parts.values())).sum(), parts, watched)

    def _term(
        self, batch: ContrastiveBatch, side: str, other: str, rows: Tensor, weights: Tensor
    ) -> Tensor:
        left, right = (unit_rows(batch.emb[name][rows]) for name in (side, other))
        logits = left @ right.T * self.temperature()
        masked = self.negatives.log_weights(batch, rows, with_text="text" in (side, other))
        if masked is not None:
            masked = masked.to(logits.dtype)
            weights = weights.masked_fill(torch.isinf(masked), 0.0)
        target = (weights / weights.sum(1, keepdim=True)).to(logits.dtype)
        if self.label_smoothing:
            target = (1 - self.label_smoothing) * target + self.label_smoothing / len(rows)
        at = diagonal(len(rows), logits)
        graded = soft_nll(logits, target, masked).mean()
        return graded + log_softmax_nll(logits.T, at, masked, self.label_smoothing).mean()


def similarity_weights(
    features: Tensor,
    mask: Tensor | None = None,
    power: float = 1.0,
    threshold: float = 0.0,
) -> Tensor:
    """How much each row may stand for each other, from 0 to 1.

    Parameters
    ----------
    features : Tensor (n, f) or (n, c, f)
        With a marker axis the cosine is taken marker by marker and averaged
        over the markers that both rows have.
    mask : bool Tensor (n, c), optional
        Markers of each row; all by default.
    power, threshold : float
        See :class:`Cwcl`.

    Returns
    -------
    Tensor (n, n)
        1 on the diagonal. Rows that share no marker get 0.
    """
    features = features.detach()
    if features.ndim == 2:
        features, mask = features[:, None], None
    unit = functional.normalize(features, dim=-1)
    has = torch.ones(unit.shape[:2], device=unit.device) if mask is None else mask
    has = has.to(unit.dtype)
    unit = unit.where(has[..., None] > 0, 0)
    shared = has @ has.T
    cosine = torch.einsum("icf,jcf->ij", unit, unit) / shared.clamp(min=1)
    weights = (cosine / 2 + 0.5).clamp(0, 1).where(shared > 0, 0)
    weights = weights**power
    weights = weights.where(weights >= threshold, 0)
    weights.fill_diagonal_(1.0)
    return weights
