"""Which rows may stand against each other, and how much."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from torch import Tensor

    from napari_haiku.training.objectives.batch import ContrastiveBatch

Duplicates = Literal["mask", "share", "ignore"]


@dataclass(frozen=True)
class NegativeMask:
    """Rules on negatives, shared by all objectives.

    Parameters
    ----------
    patient_weight, region_weight : float
        How much a negative of the same patient or region counts in a
        denominator: 1 like any other, 0 not at all.
    duplicates : {"mask", "share", "ignore"}
        Two rows with the same caption: no negatives of each other in a
        comparison with text, or both right answers, or nothing special.
    siblings : bool
        Whether rows of one patch (its other captions) are kept from being
        negatives of each other.
    """

    patient_weight: float = 1.0
    region_weight: float = 1.0
    duplicates: Duplicates = "mask"
    siblings: bool = True
    _weights: dict[str, float] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("patient_weight", "region_weight"):
            weight = getattr(self, name)
            if not (math.isfinite(weight) and weight >= 0):
                raise HaikuError(f"{name} must be 0 or more, not {weight}.")
            self._weights[name.removesuffix("_weight")] = weight
        if self.duplicates not in ("mask", "share", "ignore"):
            raise HaikuError(
                f"duplicates cannot be '{self.duplicates}': choose mask, share or ignore."
            )

    def log_weights(
        self, batch: ContrastiveBatch, rows: Tensor, *, with_text: bool, queued: bool = False
    ) -> Tensor | None:
        """Logarithm of each column's weight for each row, or None where all count 1.

        Parameters
        ----------
        batch : ContrastiveBatch
        rows : integer Tensor (n,)
            Rows compared.
        with_text : bool
            Whether captions are compared, so that equal ones matter.
        queued : bool
            Columns are the queue's rows in place of the batch's.

        Returns
        -------
        Tensor (n, n) or (n, queue), or None
        """
        total: Tensor | None = None
        for name, weight in self._wanted(with_text).items():
            same = self.same(batch, name, rows, queued=queued)
            if same is None or weight == 1:
                continue
            value = math.log(weight) if weight else -math.inf
            part = torch.zeros(same.shape, device=same.device).masked_fill(same, value)
            total = part if total is None else total + part
        return total

    def same(
        self, batch: ContrastiveBatch, name: str, rows: Tensor, *, queued: bool = False
    ) -> Tensor | None:
        """Pairs of different rows that share a group; None where groups are not known."""
        if name not in batch.group or (queued and name not in batch.queue_group):
            return None
        left = batch.group[name][rows]
        right = batch.queue_group[name] if queued else left
        same = (left[:, None] == right[None]) & (left[:, None] >= 0)
        if not queued:
            same = same & ~torch.eye(len(left), dtype=torch.bool, device=same.device)
        return same

    def _wanted(self, with_text: bool) -> dict[str, float]:
        wanted = dict(self._weights)
        if self.siblings:
            wanted["patch"] = 0.0
        if with_text and self.duplicates != "ignore":
            wanted["text"] = 0.0
        return wanted
