"""Mixtures of two rows that must be matched with both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives.base import (
    MIN_ROWS,
    Contrastive,
    ObjectiveOutput,
    nothing_to_compare,
)
from napari_haiku.training.objectives.contrast import soft_nll, unit_rows

if TYPE_CHECKING:
    from napari_haiku.training.objectives.batch import ContrastiveBatch


class MixupContrastive(Contrastive):
    """Rows of one modality are mixed and matched with both sources in the next.

    The modalities follow each other in a circle and the terms are summed. Helps
    small cohorts. After `until` of the run the targets are instead how similar
    the candidates are to each other (soft CLIP).

    Parameters
    ----------
    beta : float
        Both parameters of the Beta distribution of the share.
    chance : float
        Chance that a row is mixed at all.
    until : float
        Share of the run (``batch.progress``) after which nothing is mixed.
    **shared
        See :class:`Contrastive`.

    References
    ----------
    M3CoL, arXiv 2409.17777.
    """

    name = "mixup_contrastive"
    default_temperature = 0.1
    smooths = False

    def __init__(
        self, beta: float = 0.15, chance: float = 0.5, until: float = 1.0, **shared: object
    ) -> None:
        super().__init__(**shared)  # type: ignore[arg-type]
        if not beta > 0 or not 0 <= chance <= 1 or not 0 <= until <= 1:
            raise HaikuError(
                "mixup_contrastive takes a beta above 0, and chance and until from 0 to 1."
            )
        self.beta, self.chance, self.until = beta, chance, until

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Compare mixtures of each modality with the next one."""
        names = list(batch.emb)
        parts: dict[str, Tensor] = {}
        for a, b in zip(names, names[1:] + names[:1], strict=True):
            rows = batch.rows_with(a, b)
            if len(rows) < MIN_ROWS:
                continue
            weights = self.negatives.log_weights(batch, rows, with_text="text" in (a, b))
            mixed, fixed = batch.emb[a][rows], unit_rows(batch.emb[b][rows])
            if batch.progress >= self.until:
                target = (fixed @ fixed.T * self.temperature()).detach().softmax(1)
                backward = target
            else:
                share, partner = self._drawn(len(rows), mixed)
                mixed = mix(mixed, share, partner)
                target = mixture_targets(share, partner)
                backward = target.T
            parts[f"{a}->{b}"] = soft_both_ways(
                unit_rows(mixed) @ fixed.T * self.temperature(), target, backward, weights
            )
        if not parts:
            return nothing_to_compare(batch)
        return ObjectiveOutput(torch.stack(list(parts.values())).sum(), parts, self.watched())

    def _drawn(self, n: int, like: Tensor) -> tuple[Tensor, Tensor]:
        share = torch.distributions.Beta(self.beta, self.beta).sample((n,))
        share = torch.where(torch.rand(n) < self.chance, share, 1.0).to(like)
        # Each row's partner is the next one of a shuffled circle, so never itself.
        circle = torch.randperm(n)
        partner = torch.empty_like(circle)
        partner[circle] = circle.roll(-1)
        return share, partner.to(like.device)


def mix(rows: Tensor, share: Tensor, partner: Tensor) -> Tensor:
    """Share of each row and the rest of its partner, in a new tensor."""
    return share[:, None] * rows + (1 - share)[:, None] * rows[partner]


def mixture_targets(share: Tensor, partner: Tensor, *, as_released: bool = False) -> Tensor:
    """Target distribution of each mixture over the rows.

    Parameters
    ----------
    share : Tensor (n,)
        Part of each row in its mixture.
    partner : integer Tensor (n,)
        Row it was mixed with.
    as_released : bool
        The release writes the partner's part over the row's own where a row
        was mixed with itself; otherwise the two add up to 1 there.
    """
    own = torch.arange(len(share), device=share.device)
    target = torch.diag(share)
    if as_released:
        target[own, partner] = 1 - share
        return target
    return target.index_put((own, partner), 1 - share, accumulate=True)


def soft_both_ways(
    logits: Tensor, target: Tensor, backward: Tensor, log_weights: Tensor | None = None
) -> Tensor:
    """Soft cross-entropy along rows and along columns, averaged."""
    forth = back = None
    if log_weights is not None:
        log_weights = log_weights.to(logits.dtype)
        # A target belongs in the denominator, whatever else masks it.
        forth = log_weights.masked_fill(target > 0, 0.0)
        back = log_weights.masked_fill(backward > 0, 0.0)
    return (soft_nll(logits, target, forth).mean() + soft_nll(logits.T, backward, back).mean()) / 2
