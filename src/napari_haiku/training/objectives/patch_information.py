"""Local against global embeddings of one modality."""

from __future__ import annotations

import math
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


class PatchMutualInformation(Contrastive):
    """Every part of a patch must recognise its patch.

    The tokens, as long as the embeddings, are pooled over squares of the grid
    first.

    Parameters
    ----------
    pool : bool
        Whether a square grid of n tokens is pooled to about sqrt(n) groups.
    stop_gradient : bool
        Whether tokens are only looked at, as when a moving average gives them.
    **shared
        See :class:`Contrastive`.

    References
    ----------
    TCL, arXiv 2202.10401.
    """

    name = "patch_mutual_information"
    needs = frozenset({"tokens"})
    min_modalities = 1
    smooths = False

    def __init__(self, pool: bool = True, stop_gradient: bool = False, **shared: object) -> None:
        super().__init__(**shared)  # type: ignore[arg-type]
        self.pool, self.stop_gradient = pool, stop_gradient

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Compare the tokens of every modality that has some with its embedding."""
        parts: dict[str, Tensor] = {}
        for name, tokens in batch.tokens.items():
            rows = batch.rows_with(name)
            if name not in batch.emb or len(rows) < MIN_ROWS:
                continue
            local, mask = tokens[rows], batch.token_mask.get(name)
            if self.pool and mask is None:
                local = pooled(local)
            if self.stop_gradient:
                local = local.detach()
            parts[name] = local_terms(
                unit_rows(local),
                unit_rows(batch.emb[name][rows]),
                self.temperature(),
                None if mask is None else mask[rows].bool(),
                self.negatives.log_weights(batch, rows, with_text=name == "text"),
            )
        if not parts:
            return nothing_to_compare(batch)
        return ObjectiveOutput(torch.stack(list(parts.values())).mean(), parts, self.watched())


def pooled(tokens: Tensor) -> Tensor:
    """Average a square grid of n tokens over squares, about sqrt(n) of them.

    A grid that is no square, or cannot be cut evenly, is returned as it is.
    """
    n, count, d = tokens.shape
    side = math.isqrt(count)
    kept = math.isqrt(side)
    if side * side != count or kept < 2 or side % kept:
        return tokens
    cell = side // kept
    grid = tokens.reshape(n, kept, cell, kept, cell, d)
    return grid.mean((2, 4)).reshape(n, kept * kept, d)


def local_terms(
    local: Tensor,
    whole: Tensor,
    scale: Tensor | float,
    mask: Tensor | None = None,
    log_weights: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of each token's own patch against the tokens of others.

    Parameters
    ----------
    local : Tensor (n, k, d)
        Unit tokens.
    whole : Tensor (n, d)
        Unit embeddings.
    scale : Tensor or float
    mask : bool Tensor (n, k), optional
        Real tokens; a patch without any is left out.
    log_weights : Tensor (n, n), optional
        Log weight of the tokens of patch j as negatives of patch i.
    """
    n, k, _ = local.shape
    logits = (whole @ local.reshape(n * k, -1).T * scale).reshape(n, n, k)
    at = torch.arange(n, device=local.device)
    positive = logits[at, at]
    own = torch.eye(n, dtype=torch.bool, device=local.device)
    away = logits.masked_fill(own[..., None], -math.inf)
    if log_weights is not None:
        away = away + log_weights.to(away.dtype)[..., None]
    if mask is not None:
        away = away.masked_fill(~mask[None], -math.inf)
    away = away.reshape(n, n * k)
    # A patch without any negative is told apart from nothing.
    none = ~torch.isfinite(away).any(1, keepdim=True)
    others = away.masked_fill(none, 0.0).logsumexp(1, keepdim=True).masked_fill(none, -math.inf)
    terms = torch.logaddexp(positive, others.expand_as(positive)) - positive
    if mask is None:
        return terms.mean()
    counts = mask.sum(1)
    per_patch = terms.where(mask, 0).sum(1) / counts.clamp(min=1)
    return per_patch[counts > 0].sum() / (counts > 0).sum().clamp(min=1)
