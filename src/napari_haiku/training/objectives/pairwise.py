"""Contrast between every two modalities: the published objective and its topologies."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives.base import (
    MIN_ROWS,
    Contrastive,
    ObjectiveOutput,
    modality_pairs,
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
    from napari_haiku.training.objectives.negatives import NegativeMask

Topology = Literal["all", "star", "joint"]
_JOINT = "joint"


class PairwiseClip(Contrastive):
    """Symmetric cross-entropy between modalities, two at a time.

    With topology ``"all"`` every two are compared and the terms averaged; with
    ``"star"`` each is compared with the anchor, and with ``"joint"`` also the
    normalised sum of all others, and the terms summed. A pair uses the rows at
    which both are present and is left out below two of them.

    Parameters
    ----------
    topology : {"all", "star", "joint"}
    anchor : str
        The modality at the centre of a star.
    **shared
        See :class:`Contrastive`.

    References
    ----------
    Haiku, arXiv 2605.00925 (all); MoRE, arXiv 2410.16239 (star); after CoAVT,
    arXiv 2401.12264 (joint).
    """

    name = "pairwise_clip"
    topologies: ClassVar = ("all", "star", "joint")

    def __init__(self, topology: Topology = "all", anchor: str = "text", **shared: object) -> None:
        super().__init__(**shared)  # type: ignore[arg-type]
        if topology not in self.topologies:
            raise HaikuError(f"topology cannot be '{topology}': choose all, star or joint.")
        self.topology, self.anchor = topology, anchor

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Compare the pairs of the topology."""
        scale = self.temperature()
        parts: dict[str, Tensor] = {}
        watched = self.watched()
        for a, b in self._pairs(batch):
            rows = (
                batch.rows_with(*self._others(batch), b) if a == _JOINT else batch.rows_with(a, b)
            )
            if len(rows) < MIN_ROWS:
                continue
            with_text = "text" in (a, b)
            left, right = self._vectors(batch, a, rows), unit_rows(batch.emb[b][rows])
            parts[f"{a}-{b}"] = (
                self._one_way(batch, left, right, b, rows, scale, with_text)
                + self._one_way(batch, right, left, a, rows, scale, with_text)
            ) / 2
            if with_text and (same := self.negatives.same(batch, "text", rows)) is not None:
                watched["repeated captions"] = float(same.any(1).float().mean())
        if not parts:
            return nothing_to_compare(batch)
        terms = torch.stack(list(parts.values()))
        return ObjectiveOutput(
            terms.mean() if self.topology == "all" else terms.sum(), parts, watched
        )

    def _pairs(self, batch: ContrastiveBatch) -> tuple[tuple[str, str], ...]:
        if self.topology == "all" or self.anchor not in batch.emb:
            # A batch without the anchor still says how the others belong together.
            return modality_pairs(batch)
        others = self._others(batch)
        star = tuple((name, self.anchor) for name in others)
        if self.topology == "joint" and len(others) > 1:
            return ((_JOINT, self.anchor), *star)
        return star

    def _others(self, batch: ContrastiveBatch) -> list[str]:
        return [name for name in batch.emb if name != self.anchor]

    def _vectors(self, batch: ContrastiveBatch, name: str, rows: Tensor) -> Tensor:
        if name != _JOINT:
            return unit_rows(batch.emb[name][rows])
        each = [unit_rows(batch.emb[other][rows]) for other in self._others(batch)]
        return unit_rows(torch.stack(each).sum(0))

    def _one_way(
        self,
        batch: ContrastiveBatch,
        queries: Tensor,
        candidates: Tensor,
        target: str,
        rows: Tensor,
        scale: Tensor | float,
        with_text: bool,
    ) -> Tensor:
        return one_way(
            queries,
            candidates,
            scale,
            self.negatives,
            batch,
            rows,
            target=target,
            with_text=with_text,
            smoothing=self.label_smoothing,
        )


def one_way(
    queries: Tensor,
    candidates: Tensor,
    scale: Tensor | float,
    negatives: NegativeMask,
    batch: ContrastiveBatch,
    rows: Tensor,
    *,
    target: str,
    with_text: bool,
    smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of finding each query's own row among candidates and queue."""
    logits = queries @ candidates.T * scale
    weights = negatives.log_weights(batch, rows, with_text=with_text)
    if target in batch.queue:
        queued = queries @ unit_rows(batch.queue[target]).detach().T * scale
        more = negatives.log_weights(batch, rows, with_text=with_text, queued=True)
        if weights is not None or more is not None:
            own = torch.zeros_like(logits) if weights is None else weights
            more = torch.zeros_like(queued) if more is None else more
            weights = torch.cat([own, more.to(own.dtype)], 1)
        logits = torch.cat([logits, queued], 1)
    if weights is not None:
        weights = weights.to(logits.dtype)
    positives = diagonal(len(queries), queries)
    same = negatives.same(batch, "text", rows) if with_text else None
    if negatives.duplicates == "share" and same is not None:
        return _shared_target(logits, same, weights, positives, smoothing)
    return log_softmax_nll(logits, positives, weights, smoothing).mean()


def _shared_target(
    logits: Tensor, same: Tensor, weights: Tensor | None, positives: Tensor, smoothing: float
) -> Tensor:
    """Rows with one caption are all right answers, each to the same part."""
    n = len(logits)
    target = torch.zeros_like(logits)
    target[:, :n] = same.to(logits.dtype)
    target[positives, positives] = 1
    if weights is not None:
        # A right answer belongs in the denominator, whatever else masks it.
        weights = weights.masked_fill(target.bool(), 0.0)
    target = target / target.sum(1, keepdim=True)
    if smoothing:
        counts = torch.ones_like(logits) if weights is None else torch.isfinite(weights)
        spread = counts.to(logits.dtype) / counts.sum(1, keepdim=True)
        target = (1 - smoothing) * target + smoothing * spread
    return soft_nll(logits, target, weights).mean()


def pairwise_clip(
    vectors: dict[str, Tensor], scale: Tensor, pairs: tuple[tuple[str, str], ...] | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Plain pairwise objective with a given scale.

    Parameters
    ----------
    vectors : dict of Tensor, each of shape (n, d)
        Row i of every modality shows the same tissue. Rows need not have unit
        length.
    scale : Tensor
        One over the temperature.
    pairs : tuple of pairs, optional
        Which modalities to compare; all of them by default.

    Returns
    -------
    Tensor
        The loss.
    dict of Tensor
        The part of each pair, keyed ``"he-mif"``.

    Raises
    ------
    ValueError
        Fewer than two rows or two modalities.
    """
    unit = {
        name: unit_rows(v.float() if v.dtype in (torch.float16, torch.bfloat16) else v)
        for name, v in vectors.items()
    }
    chosen = pairs or tuple(combinations(unit, 2))
    rows = {len(v) for v in unit.values()}
    if not chosen or len(rows) != 1 or min(rows) < MIN_ROWS:
        raise ValueError("pairwise_clip needs two modalities with the same two or more rows")
    parts = {}
    for a, b in chosen:
        logits = unit[a] @ unit[b].T * scale
        at = diagonal(len(logits), logits)
        parts[f"{a}-{b}"] = (
            log_softmax_nll(logits, at).mean() + log_softmax_nll(logits.T, at).mean()
        ) / 2
    return torch.stack(list(parts.values())).mean(), parts
