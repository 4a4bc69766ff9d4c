"""What two groups share, apart from what only one of them has."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives.base import (
    MIN_ROWS,
    Objective,
    ObjectiveOutput,
    nothing_to_compare,
)
from napari_haiku.training.objectives.contrast import unit_rows
from napari_haiku.training.objectives.uniformity import log_mean_closeness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.training.objectives.batch import ContrastiveBatch


class SepClr(Objective):
    """Common and salient factors of a background and a target group.

    Two heads read each of two modalities (two views of the same tissue): the
    common one holds for both groups, the salient one only for the target group
    (``group["class"]`` 1; 0 is the background). Both groups must be in every
    batch, and the group must not go with the site, or salient means batch
    effect: see :func:`check_site_balance`.

    Parameters
    ----------
    dim : int
        Length of the embeddings.
    common, salient : int
        Lengths of the two factors.
    null, independence : float
        Weights of the salient factor being nothing in the background, and of
        both factors being independent.

    References
    ----------
    SepCLR, arXiv 2402.11928; H&E and mIF as the two views are this project's
    extension.
    """

    name = "sepclr"
    needs = frozenset({"group"})

    def __init__(
        self,
        dim: int,
        common: int = 32,
        salient: int = 32,
        null: float = 10.0,
        independence: float = 10.0,
    ) -> None:
        super().__init__()
        if min(dim, common, salient) < 1:
            raise HaikuError("The objective sepclr must be told the length of the embeddings.")
        self.common, self.salient = nn.Linear(dim, common), nn.Linear(dim, salient)
        self.weights = {"null": null, "independence": independence}

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Evaluate the four terms on the first two image modalities."""
        if "class" not in batch.group:
            raise HaikuError(
                "The objective sepclr needs a background and a target group, which this run does "
                "not offer: choose another objective."
            )
        images = [name for name in batch.emb if name != "text"]
        if len(images) < 2:
            return nothing_to_compare(batch)
        rows = batch.rows_with(*images[:2])
        label = batch.group["class"][rows]
        rows, label = rows[label >= 0], label[label >= 0]
        if min(int((label == 1).sum()), int((label == 0).sum())) < MIN_ROWS:
            return nothing_to_compare(batch)
        heads = [
            head(unit_rows(batch.emb[name][rows]).to(head.weight.dtype))
            for head in (self.common, self.salient)
            for name in images[:2]
        ]
        parts = factor_terms(heads[0], heads[1], heads[2], heads[3], label)
        loss = torch.stack([self.weights.get(n, 1.0) * part for n, part in parts.items()]).sum()
        return ObjectiveOutput(loss, parts)


def factor_terms(
    common: Tensor, common2: Tensor, salient: Tensor, salient2: Tensor, label: Tensor
) -> dict[str, Tensor]:
    """Four terms of the separation.

    Parameters
    ----------
    common, common2 : Tensor (n, c)
        Common factor of each view; brought to unit length here.
    salient, salient2 : Tensor (n, s)
        Salient factor of each view.
    label : integer Tensor (n,)
        1 for the target group, 0 for the background.

    Returns
    -------
    dict
        ``common``, ``salient``, ``null``, ``independence``.
    """
    c, c2 = unit_rows(common), unit_rows(common2)
    target = (label == 1)[:, None]
    # The background's salient factor is nothing, by definition.
    s, s2 = salient.where(target, 0), salient2.where(target, 0)
    hit, miss = label == 1, label == 0
    return {
        "common": _distance(c, c2) + _spread(c) + _spread(c2),
        "salient": _distance(salient[hit], salient2[hit]) + _spread(s) + _spread(s2),
        "null": (salient[miss].square().sum(1).mean() + salient2[miss].square().sum(1).mean()) / 2,
        "independence": (_joint(c, s) + _joint(c2, s2)) / 2,
    }


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().sum(1).mean()


def _spread(rows: Tensor) -> Tensor:
    return log_mean_closeness(rows, rows, 1.0)


def _joint(common: Tensor, salient: Tensor) -> Tensor:
    """Mean log density of both factors together."""
    both = torch.cat([common, salient], 1)
    length = both.square().sum(1)
    squared = (length[:, None] + length[None] - 2 * both @ both.T).clamp(min=0)
    return ((-squared).logsumexp(1) - math.log(len(both))).mean()


def check_site_balance(labels: Sequence[int], sites: Sequence[str], highest: float = 0.5) -> float:
    """How strongly the group goes with the site (Cramer's V, 0 to 1).

    Raises
    ------
    HaikuError
        Above `highest`, the salient factor would hold the site.
    """
    _, site = np.unique(np.asarray(sites), return_inverse=True)
    _, group = np.unique(np.asarray(labels), return_inverse=True)
    table = np.zeros((group.max() + 1, site.max() + 1))
    np.add.at(table, (group, site), 1)
    if min(table.shape) < 2:
        return 0.0
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
    chi = ((table - expected) ** 2 / expected).sum()
    v = float(np.sqrt(chi / table.sum() / (min(table.shape) - 1)))
    if v > highest:
        raise HaikuError(
            f"The two groups come from different sites (Cramer's V {v:.2f}), so sepclr would learn "
            "the site: choose groups that every site has."
        )
    return v
