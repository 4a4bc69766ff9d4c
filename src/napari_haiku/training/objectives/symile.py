"""Whole tuples scored by the sum of products over all their modalities."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives.base import (
    MIN_ROWS,
    Contrastive,
    ObjectiveOutput,
    nothing_to_compare,
)
from napari_haiku.training.objectives.contrast import log_softmax_nll, unit_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.training.objectives.batch import ContrastiveBatch
    from napari_haiku.training.objectives.negatives import NegativeMask

# Combinations of the others' rows that are scored at most: 128 rows of three modalities.
MOST_COMBINATIONS = 128**2


class Symile(Contrastive):
    """Contrast of tuples by their multilinear inner product.

    Each modality in turn is the anchor; its candidates are the right tuple of
    the others and wrong ones, either shuffled (``"n"``) or every combination
    (``"n_squared"``). The only objective here that finds what two modalities
    say about a third together and neither says alone. The product collapses
    when one modality is unreliable: look at each modality left out.

    Parameters
    ----------
    negatives : {"n", "n_squared"}
        How wrong tuples are made.
    missing : {"drop", "keep"}
        Rows with a missing modality are left out, or kept because the encoder
        gives a placeholder for it (with an indicator of presence).
    dim : int
        Length of the embeddings. The product of unit vectors of D components is
        about 1/sqrt(D), so temperature and limit shrink with it.
    **shared
        See :class:`Contrastive`; the temperature is learnt unless said otherwise.

    References
    ----------
    Symile, arXiv 2411.01053.
    """

    name = "symile"
    smooths = True

    def __init__(
        self,
        negatives: Literal["n", "n_squared"] = "n",
        missing: Literal["drop", "keep"] = "drop",
        dim: int = 0,
        **shared: object,
    ) -> None:
        narrow = max(dim, 1) ** -0.5
        defaults = {"learnable": True, "temperature": 0.07 * narrow, "lowest": 0.02 * narrow}
        if dim == 0:
            defaults = {"learnable": True}
        super().__init__(**(defaults | shared))
        if negatives not in ("n", "n_squared"):
            raise HaikuError(f"negatives of symile cannot be '{negatives}': choose n or n_squared.")
        if missing not in ("drop", "keep"):
            raise HaikuError(f"missing of symile cannot be '{missing}': choose drop or keep.")
        self.every, self.keep = negatives == "n_squared", missing == "keep"

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Compare right and wrong tuples, each modality in turn the anchor."""
        names = list(batch.emb)
        rows = batch.rows_with() if self.keep else batch.rows_with(*names)
        n = len(rows)
        if n < MIN_ROWS:
            return nothing_to_compare(batch)
        unit = [unit_rows(batch.emb[name][rows]) for name in names]
        if self.every:
            others = every_combination(n, len(names), unit[0].device)
        else:
            others = [
                torch.randperm(n).to(rows.device) for _ in range(len(names) * (len(names) - 1))
            ]
        terms = tuple_terms(
            unit,
            others,
            self.temperature(),
            every=self.every,
            alike=alike(batch, names, rows, self.negatives),
            smoothing=self.label_smoothing,
        )
        parts = dict(zip(names, terms, strict=True))
        return ObjectiveOutput(torch.stack(terms).mean(), parts, self.watched())


def every_combination(n: int, modalities: int, device: torch.device) -> list[Tensor]:
    """Row numbers of every combination of the others' rows, one tensor a modality.

    Raises
    ------
    HaikuError
        There are too many to score.
    """
    if n ** (modalities - 1) > MOST_COMBINATIONS:
        raise HaikuError(
            f"symile with negatives n_squared compares at most {MOST_COMBINATIONS} combinations, "
            f"and {n} rows of {modalities} modalities give {n ** (modalities - 1)}: make the "
            "batches smaller or choose negatives n."
        )
    numbers = torch.arange(n, device=device)
    grids = torch.meshgrid(*[numbers] * (modalities - 1), indexing="ij")
    return [grid.reshape(-1) for grid in grids]


def tuple_terms(
    unit: Sequence[Tensor],
    others: Sequence[Tensor],
    scale: Tensor | float,
    *,
    every: bool,
    alike: Sequence[Sequence[tuple[Tensor, float]]] = (),
    smoothing: float = 0.0,
) -> list[Tensor]:
    """Cross-entropy of the right tuple, with each modality as the anchor.

    Parameters
    ----------
    unit : sequence of Tensor (n, d)
        Unit rows of each modality.
    others : sequence of integer Tensor
        With `every`, row numbers of each combination, from
        :func:`every_combination`; otherwise one permutation for each anchor and
        each other modality in turn.
    scale : Tensor or float
    every : bool
        Whether every combination is a candidate.
    alike : for each rule, for each modality, (bool Tensor (n, n), log weight)
        Rows that may stand in for each other; see :func:`alike`.
    smoothing : float
        Label smoothing.
    """
    n = len(unit[0])
    step = sum(n**power for power in range(len(unit) - 1)) if every else 1
    positives = torch.arange(n, device=unit[0].device) * step
    right = reduce(torch.mul, unit).sum(1)
    terms = []
    for anchor in range(len(unit)):
        rest = [m for m in range(len(unit)) if m != anchor]
        first = 0 if every else anchor * len(rest)
        picks = others[first : first + len(rest)]
        product = reduce(torch.mul, (unit[m][pick] for m, pick in zip(rest, picks, strict=True)))
        logits = unit[anchor] @ product.T
        own = torch.zeros_like(logits, dtype=torch.bool)
        own[torch.arange(n), positives] = True
        if not every:
            logits = torch.where(own, right[:, None], logits)
        weights = None
        for rule in alike:
            hit = reduce(
                torch.logical_and,
                (rule[m][0][:, pick] for m, pick in zip(rest, picks, strict=True)),
            )
            part = torch.zeros_like(logits).masked_fill(hit & ~own, rule[0][1])
            weights = part if weights is None else weights + part
        terms.append(log_softmax_nll(logits * scale, positives, weights, smoothing).mean())
    return terms


def alike(
    batch: ContrastiveBatch, names: Sequence[str], rows: Tensor, negatives: NegativeMask
) -> list[list[tuple[Tensor, float]]]:
    """Which rows of each modality make a wrong tuple no wrong one, or a lighter one.

    A tuple of others is no negative where each of its rows is the anchor's own,
    or carries the same caption or patch; it counts less where all its rows are
    of the anchor's patient or region.
    """
    own = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    rules: list[list[tuple[Tensor, float]]] = []
    text = negatives.same(batch, "text", rows) if negatives.duplicates != "ignore" else None
    patch = negatives.same(batch, "patch", rows) if negatives.siblings else None
    if "text" in names and (text is not None or patch is not None):
        same = [own if patch is None else own | patch for _ in names]
        if text is not None:
            at = list(names).index("text")
            same[at] = same[at] | text
        rules.append([(each, -torch.inf) for each in same])
    for group, weight in (
        ("patient", negatives.patient_weight),
        ("region", negatives.region_weight),
    ):
        together = negatives.same(batch, group, rows)
        if together is not None and weight != 1:
            value = float(torch.tensor(weight).log())
            rules.append([(own | together, value) for _ in names])
    return rules
