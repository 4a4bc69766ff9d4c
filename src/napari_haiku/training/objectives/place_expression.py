"""A read-out of the markers at each place of the H&E tower's map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives.base import Objective, ObjectiveOutput, nothing_to_compare

if TYPE_CHECKING:
    from napari_haiku.training.objectives.batch import ContrastiveBatch


class PlaceExpression(Objective):
    """Regulariser that makes the H&E tower tell cells apart, place by place.

    A linear read-out of each place of the H&E tower's map, about as large as a
    cell, predicts the standardised marker means there. A patch then teaches
    as many times as it has places, where its mean teaches once. H&E and mIF must
    show the same cells in the same places (one section, or consecutive ones in
    register within a place). The read-out is thrown away after training. This
    regulariser is this project's own, in no paper of the reading list.

    Parameters
    ----------
    markers : int
        Number of markers, M of ``batch.place_expression``.
    maps : int
        Length of an H&E token.
    """

    name = "place_expression"
    needs = frozenset({"place_expression"})
    min_modalities = 1

    def __init__(self, markers: int, maps: int) -> None:
        super().__init__()
        if markers < 1 or maps < 1:
            raise HaikuError(
                "The objective place_expression must be told the number of markers and the "
                "number of maps."
            )
        self.read_out = nn.Linear(maps, markers)
        nn.init.zeros_(self.read_out.weight)
        nn.init.zeros_(self.read_out.bias)

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Squared error over the measured markers, every marker counting the same."""
        truth, tokens = batch.place_expression, batch.tokens.get("he")
        if truth is None or tokens is None:
            return nothing_to_compare(batch)
        shown = torch.isfinite(truth).any(0).any(0).nonzero()[:, 0]
        rows = batch.rows_with("he")
        if not len(shown) or not len(rows):
            return nothing_to_compare(batch)
        # A panel holds a part of all markers: only those are read out.
        guess = nn.functional.linear(
            tokens[rows], self.read_out.weight[shown], self.read_out.bias[shown]
        )
        wanted = truth[rows][:, :, shown].detach()
        counts = torch.isfinite(wanted)
        error = (guess - wanted.where(counts, 0).to(guess.dtype)).square().where(counts, 0)
        loss = (error.sum((0, 1)) / counts.sum((0, 1)).clamp(min=1)).mean()
        return ObjectiveOutput(loss, {}, {})
