"""A read-out of the clinical record from the H&E embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

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
    indicators of levels, which is linear discriminant analysis. Patches of one
    patient are read out together, as one answer: a batch of few patients teaches
    little of what tells patients apart. The read-out is thrown away after
    training. This regulariser is this project's own, in no
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
        """Squared error over the known columns of each patient, every column counting the same."""
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
        guess, wanted = (
            _by_patient(each, batch.group.get("patient"), rows)
            for each in (guess, wanted.to(guess.dtype))
        )
        known = torch.isfinite(wanted)
        error = (guess - wanted.where(known, 0)).square().where(known, 0)
        # As many answers as rows would count fully.
        share = len(wanted) / len(rows)
        per_column = error.sum(0) / known.sum(0).clamp(min=1)
        return ObjectiveOutput(share * per_column.sum() / known.any(0).sum())


def _by_patient(values: Tensor, patient: Tensor | None, rows: Tensor) -> Tensor:
    """Means over the rows of each patient, (patients, L); rows of unknown patients stay apart."""
    if patient is None:
        return values
    number = patient[rows]
    unknown = number < 0
    number = number.where(~unknown, number.max() + 1 + torch.arange(len(rows), device=rows.device))
    present, of = torch.unique(number, return_inverse=True)
    total = values.new_zeros(len(present), values.shape[1]).index_add(0, of, values)
    return total / torch.bincount(of, minlength=len(present))[:, None]
