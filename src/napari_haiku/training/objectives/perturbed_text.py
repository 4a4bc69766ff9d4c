"""Captions with one field made wrong as hard negatives."""

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
    from napari_haiku.training.objectives.batch import ContrastiveBatch


class PerturbedTextNegatives(Contrastive):
    """The right record must beat the same record with one field changed.

    From an image, all true and all perturbed captions are candidates; from the
    text it is the plain comparison. Exactly one field of each caption should be
    changed.

    Parameters
    ----------
    **shared
        See :class:`Contrastive`.

    References
    ----------
    After TeminAL, arXiv 2408.09269.
    """

    name = "perturbed_text_negatives"
    needs = frozenset({"perturbed"})

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Compare every image modality with true and perturbed captions."""
        assert batch.perturbed is not None  # noqa: S101  `needs` has been checked
        parts: dict[str, Tensor] = {}
        watched = self.watched()
        for name in batch.emb:
            rows = batch.rows_with(name, "text")
            if name == "text" or "text" not in batch.emb or len(rows) < MIN_ROWS:
                continue
            image, text, wrong = (
                unit_rows(value[rows])
                for value in (batch.emb[name], batch.emb["text"], batch.perturbed)
            )
            masked = self.negatives.log_weights(batch, rows, with_text=True)
            if masked is not None:
                masked = masked.to(image.dtype)
            # A wrong caption counts like the one it was made from; the row's own counts fully.
            both = None if masked is None else torch.cat([masked, masked], 1)
            scale = self.temperature()
            at = diagonal(len(rows), image)
            there = log_softmax_nll(
                image @ torch.cat([text, wrong]).T * scale, at, both, self.label_smoothing
            )
            back = log_softmax_nll(text @ image.T * scale, at, masked, self.label_smoothing)
            parts[f"{name}-text"] = (there.mean() + back.mean()) / 2
            won = (image * text).sum(1) > (image * wrong).sum(1)
            watched[f"flip accuracy {name}"] = float(won.double().mean())
        if not parts:
            return nothing_to_compare(batch)
        return ObjectiveOutput(torch.stack(list(parts.values())).mean(), parts, watched)
