"""One term for each row over all modalities at once, without an anchor."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_haiku.training.objectives.base import (
    MIN_ROWS,
    Contrastive,
    ObjectiveOutput,
    nothing_to_compare,
)
from napari_haiku.training.objectives.contrast import unit_rows

if TYPE_CHECKING:
    from napari_haiku.training.objectives.batch import ContrastiveBatch


class _Multiview(Contrastive):
    default_temperature = 0.1
    smooths = False

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Compare all modalities of every row."""
        names = list(batch.emb)
        rows = batch.rows_with(*names)
        if len(rows) < MIN_ROWS:
            return nothing_to_compare(batch)
        views = torch.stack([unit_rows(batch.emb[name][rows]) for name in names])
        weights = self.negatives.log_weights(batch, rows, with_text="text" in names)
        own = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
        away = torch.zeros_like(own, dtype=views.dtype)
        if weights is not None:
            away = away + weights.to(views.dtype)
        alignment, spread = self.terms(views, self.temperature(), away.masked_fill(own, -math.inf))
        parts = {"alignment": -alignment.mean(), "spread": spread.mean()}
        return ObjectiveOutput(parts["alignment"] + parts["spread"], parts, self.watched())

    @abstractmethod
    def terms(self, views: Tensor, scale: Tensor | float, away: Tensor) -> tuple[Tensor, Tensor]:
        """Log of what pulls and of what pushes each row.

        Parameters
        ----------
        views : Tensor (m, n, d)
            Unit rows.
        scale : Tensor or float
        away : Tensor (n, n)
            Log weight of row j as a negative of row i; minus infinity at i.
        """


class MvInfoNce(_Multiview):
    """InfoNCE with one fraction for each row over all modalities.

    Follows the authors' code, which counts rows of the same modality as
    negatives; their printed formula does not.

    Parameters
    ----------
    **shared
        See :class:`Contrastive`.

    References
    ----------
    arXiv 2507.06979.
    """

    name = "mv_infonce"

    def terms(self, views: Tensor, scale: Tensor | float, away: Tensor) -> tuple[Tensor, Tensor]:
        """Pull over pairs of modalities; push over everything but oneself."""
        m, n, _ = views.shape
        flat = views.reshape(m * n, -1)
        logits = (flat @ flat.T * scale).reshape(m, n, m, n)
        pulled = _between_views(views, scale)
        other = ~torch.eye(m, dtype=torch.bool, device=views.device)
        pushed = (logits + away[None, :, None, :]).permute(1, 0, 2, 3).reshape(n, -1)
        # The row's own other modalities stand in the denominator too.
        both = torch.cat([pushed, pulled[:, other]], 1)
        return pulled[:, other].logsumexp(1), both.logsumexp(1)


class MvDhel(_Multiview):
    """Alignment over pairs of modalities, uniformity within each modality.

    The product of sums is a sum of logarithms here; the released product
    overflows. Its value cannot be compared between numbers of modalities.

    Parameters
    ----------
    **shared
        See :class:`Contrastive`.

    References
    ----------
    arXiv 2507.06979.
    """

    name = "mv_dhel"

    def terms(self, views: Tensor, scale: Tensor | float, away: Tensor) -> tuple[Tensor, Tensor]:
        """Pull over pairs of modalities; push within each modality."""
        other = ~torch.eye(len(views), dtype=torch.bool, device=views.device)
        pulled = _between_views(views, scale)[:, other].logsumexp(1) - math.log(2)
        # A row all of whose negatives are masked is pushed by nothing.
        alone = ~torch.isfinite(away).any(1)
        logits = views @ views.transpose(1, 2) * scale + away.masked_fill(alone[:, None], 0.0)
        pushed = logits.logsumexp(2).masked_fill(alone[None], 0.0)
        return pulled, pushed.sum(0)


def _between_views(views: Tensor, scale: Tensor | float) -> Tensor:
    """Scaled similarity of each row's modalities with each other, (n, m, m)."""
    rows = views.transpose(0, 1)
    return rows @ rows.transpose(1, 2) * scale
