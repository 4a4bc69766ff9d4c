"""Fine-tuning that stays near the model it starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives.base import (
    MIN_ROWS,
    Contrastive,
    ObjectiveOutput,
    modality_pairs,
    nothing_to_compare,
)
from napari_haiku.training.objectives.contrast import unit_rows
from napari_haiku.training.objectives.pairwise import one_way

if TYPE_CHECKING:
    from napari_haiku.training.objectives.batch import ContrastiveBatch


class FrozenProjectionAdapter(nn.Module):
    """A projection that cannot change, and a low-rank correction that can.

    Starts as exactly the projection it is given.

    Parameters
    ----------
    projection : nn.Linear
        Projection of the starting model; its weights are frozen.
    rank : int
        Rank of the correction.
    strength : float
        Factor on the correction.
    """

    def __init__(self, projection: nn.Linear, rank: int = 4, strength: float = 1.0) -> None:
        super().__init__()
        if not 1 <= rank <= min(projection.in_features, projection.out_features):
            raise HaikuError(
                f"The rank of an adapter must be from 1 to "
                f"{min(projection.in_features, projection.out_features)}, not {rank}."
            )
        self.projection = projection.requires_grad_(False)
        self.down = nn.Linear(projection.in_features, rank, bias=False)
        self.up = nn.Linear(rank, projection.out_features, bias=False)
        nn.init.zeros_(self.up.weight)
        self.strength = strength

    def forward(self, features: Tensor) -> Tensor:
        """Project and correct."""
        projected: Tensor = self.projection(features)
        correction: Tensor = self.up(self.down(features))
        return projected + self.strength * correction

    def starting(self, features: Tensor) -> Tensor:
        """Embedding of the starting model, for the anchor."""
        with torch.no_grad():
            out: Tensor = self.projection(features)
        return out


class Mmrlpp(Contrastive):
    """Pairwise contrast with each embedding held near the starting model's.

    ``share`` of the contrast is on the embeddings, the rest on a second branch
    (``batch.views``) where there is one; to it comes one minus the cosine of each
    embedding with the starting model's (``batch.teacher``).

    Parameters
    ----------
    share : float
        Part of the contrast on the embeddings.
    anchor_weight : float
        Weight of the cosine anchor.
    **shared
        See :class:`Contrastive`.

    References
    ----------
    MMRL++, arXiv 2505.10088.
    """

    name = "mmrlpp"
    needs = frozenset({"teacher"})

    def __init__(self, share: float = 0.7, anchor_weight: float = 1.0, **shared: object) -> None:
        super().__init__(**shared)  # type: ignore[arg-type]
        if not 0 < share <= 1 or not anchor_weight >= 0:
            raise HaikuError(
                "mmrlpp takes a share above 0 up to 1 and an anchor weight of 0 or more."
            )
        self.share, self.anchor_weight = share, anchor_weight

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Contrast both branches and measure the way from the starting model."""
        parts: dict[str, Tensor] = {}
        main = self._contrast(batch, batch.emb)
        if main is not None:
            second = self._contrast(batch, batch.views) if batch.views else None
            parts["contrast"] = main if second is None else blended(main, second, self.share)
        for name, rows in batch.emb.items():
            there = batch.rows_with(name)
            if name in batch.teacher and len(there):
                parts[f"anchor {name}"] = self.anchor_weight * drift(
                    rows[there], batch.teacher[name][there]
                )
        if not parts:
            return nothing_to_compare(batch)
        return ObjectiveOutput(torch.stack(list(parts.values())).sum(), parts, self.watched())

    def _contrast(self, batch: ContrastiveBatch, vectors: dict[str, Tensor]) -> Tensor | None:
        terms = []
        for a, b in modality_pairs(batch):
            rows = batch.rows_with(a, b)
            if len(rows) < MIN_ROWS or a not in vectors or b not in vectors:
                continue
            for query, target in ((a, b), (b, a)):
                terms.append(
                    one_way(
                        unit_rows(vectors[query][rows]),
                        unit_rows(vectors[target][rows]),
                        self.temperature(),
                        self.negatives,
                        batch,
                        rows,
                        target=target,
                        with_text="text" in (a, b),
                        smoothing=self.label_smoothing,
                    )
                )
        return torch.stack(terms).mean() if terms else None


def drift(rows: Tensor, start: Tensor) -> Tensor:
    """One minus the mean cosine with the starting model's embeddings."""
    return 1 - (unit_rows(rows) * unit_rows(start.detach())).sum(1).mean()


def blended(main: Tensor, second: Tensor, share: float) -> Tensor:
    """Loss (or logits) of the two branches together."""
    return share * main + (1 - share) * second


def class_loss(
    logits: Tensor,
    logits_second: Tensor,
    image: tuple[Tensor, Tensor],
    text: tuple[Tensor, Tensor],
    label: Tensor,
    share: float = 0.7,
    anchor_weight: float = 1.0,
) -> Tensor:
    """Evaluate the same objective with named classes in place of pairs.

    Parameters
    ----------
    logits, logits_second : Tensor (n, classes)
        Of the two branches.
    image, text : (Tensor, Tensor)
        Embeddings now and of the starting model.
    label : integer Tensor (n,)
    share, anchor_weight : float
        See :class:`Mmrlpp`.
    """
    contrast = blended(
        functional.cross_entropy(logits, label),
        functional.cross_entropy(logits_second, label),
        share,
    )
    return contrast + anchor_weight * (drift(*image) + drift(*text))
