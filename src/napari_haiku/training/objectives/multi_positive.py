"""One image against its several captions at once."""

from __future__ import annotations

from itertools import combinations
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
from napari_haiku.training.objectives.pairwise import one_way

if TYPE_CHECKING:
    from napari_haiku.training.objectives.batch import ContrastiveBatch


class MultiPositive(Contrastive):
    """Each image has K right captions; each caption has one right image.

    Images of two modalities are compared with each other as in `pairwise_clip`.
    The captions are ``batch.captions``; the text of ``batch.emb`` is not used.

    Parameters
    ----------
    **shared
        See :class:`Contrastive`; the temperature is learnt unless said otherwise.

    References
    ----------
    1-to-K contrastive learning, arXiv 2406.18254.
    """

    name = "multi_positive"
    needs = frozenset({"captions"})
    min_modalities = 1
    smooths = False

    def __init__(self, **shared: object) -> None:
        super().__init__(**({"learnable": True} | shared))  # type: ignore[arg-type]

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Compare every image modality with all captions, and with each other."""
        assert batch.captions is not None  # noqa: S101  `needs` has been checked
        images = [name for name in batch.emb if name != "text"]
        scale = self.temperature()
        parts: dict[str, Tensor] = {}
        for image in images:
            rows = batch.rows_with(image, "text")
            if len(rows) < MIN_ROWS:
                continue
            weights = self.negatives.log_weights(batch, rows, with_text=True)
            parts[f"{image}-captions"] = one_to_many(
                unit_rows(batch.emb[image][rows]), unit_rows(batch.captions[rows]), scale, weights
            )
        for a, b in combinations(images, 2):
            rows = batch.rows_with(a, b)
            if len(rows) < MIN_ROWS:
                continue
            left, right = (unit_rows(batch.emb[name][rows]) for name in (a, b))
            both = [
                one_way(x, y, scale, self.negatives, batch, rows, target=name, with_text=False)
                for x, y, name in ((left, right, b), (right, left, a))
            ]
            parts[f"{a}-{b}"] = torch.stack(both).mean()
        if not parts:
            return nothing_to_compare(batch)
        return ObjectiveOutput(torch.stack(list(parts.values())).mean(), parts, self.watched())


def one_to_many(
    images: Tensor, captions: Tensor, scale: Tensor | float, log_weights: Tensor | None = None
) -> Tensor:
    """Cross-entropy of n images with their K captions each, both ways.

    Parameters
    ----------
    images : Tensor (n, d)
        Unit rows.
    captions : Tensor (n, k, d)
        Unit rows.
    scale : Tensor or float
    log_weights : Tensor (n, n), optional
        Log weight of the captions of row j as negatives of row i.
    """
    n, k, _ = captions.shape
    logits = images @ captions.reshape(n * k, -1).T * scale
    weighed = logits
    if log_weights is not None:
        weighed = logits + log_weights.to(logits.dtype).repeat_interleave(k, 1)
    own = torch.arange(n, device=images.device)
    positive = logits.reshape(n, n, k)[own, own]
    # Each image has K answers and each caption one, so the captions' part counts 1/K.
    to_captions = (weighed.logsumexp(1, keepdim=True) - positive).mean()
    to_images = (weighed.logsumexp(0).reshape(n, k) - positive).mean() / k
    return (to_captions + to_images) / 2
