"""A read-out of the clinical record from the H&E embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives.base import Objective, ObjectiveOutput, nothing_to_compare
from napari_haiku.training.objectives.contrast import unit_rows

if TYPE_CHECKING:
    from napari_haiku.training.objectives.batch import ContrastiveBatch


class RecordReadOut(Objective):
    """Regulariser that keeps in the H&E embedding what it shows of the clinical record.

    Markers alone leave out what only morphology tells, such as the size of
    nuclei, by which a grade is given. A linear read-out of the H&E vector
    predicts the standardised fields of the patient's record: least squares on
    indicators of levels, which is linear discriminant analysis. One patch shows
    little of a record; it is the mean over a slide that is to tell. The read-out
    is thrown away after training. This regulariser is this project's own, in no
    paper of the reading list.

    Parameters
    ----------
    dim : int
        Length of the embeddings.
    levels : int
        Number of columns, L of ``batch.record``.
    """

    name = "record"
    needs = frozenset({"record"})
    min_modalities = 1

    def __init__(self, dim: int, levels: int) -> None:
        super().__init__()
        if dim < 1 or levels < 1:
            raise HaikuError(
                "The objective record must be told the length of the embeddings and the number of "
                "levels."
            )
        self.read_out = nn.Linear(dim, levels)
        nn.init.zeros_(self.read_out.weight)
        nn.init.zeros_(self.read_out.bias)

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Squared error over the known columns, every column counting the same."""
        truth, vectors = batch.record, batch.emb.get("he")
        if truth is None or vectors is None:
            return nothing_to_compare(batch)
        rows = batch.rows_with("he")
        wanted = truth[rows].detach()
        known = torch.isfinite(wanted)
        if not known.any():
            return nothing_to_compare(batch)
        unit = unit_rows(vectors[rows])
        # Components of a unit vector are about 1/sqrt(dim); the read-out sees them near 1.
        guess = self.read_out((unit * unit.shape[1] ** 0.5).to(self.read_out.weight.dtype))
        error = (guess - wanted.where(known, 0).to(guess.dtype)).square().where(known, 0)
        per_column = error.sum(0) / known.sum(0).clamp(min=1)
        return ObjectiveOutput(per_column.sum() / known.any(0).sum())
