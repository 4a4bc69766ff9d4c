"""The one interface of all objectives, and what they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives.contrast import unit_rows
from napari_haiku.training.objectives.negatives import Duplicates, NegativeMask
from napari_haiku.training.objectives.temperature import Temperature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.training.objectives.batch import ContrastiveBatch

# Fewer rows than this and there is nothing to tell apart.
MIN_ROWS = 2
NEEDS = {
    "captions": "several captions of each patch",
    "perturbed": "captions with one field made wrong",
    "tokens": "local embeddings of each patch",
    "coords": "the position of each token grid",
    "frozen": "features of frozen encoders",
    "teacher": "embeddings of the starting model",
    "views": "a second view of each modality",
    "expression": "marker means of each patch",
    "place_expression": "an H&E tower that is tuned, and marker means of each of its places",
    "record": "the clinical record of each patch's patient",
    "group": "groups of the rows, such as the patient",
}


@dataclass(frozen=True)
class ObjectiveOutput:
    """What an objective says about a batch.

    Attributes
    ----------
    loss : Tensor
        To be minimised.
    parts : dict of Tensor
        Its terms, for the curves.
    diagnostics : dict of float
        Figures that are watched, not minimised.
    """

    loss: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)
    diagnostics: dict[str, float] = field(default_factory=dict)


class Objective(nn.Module, ABC):
    """A term that training minimises.

    Attributes
    ----------
    name : str
        What users call it.
    needs : frozenset of str
        Fields of the batch, beyond the embeddings, that it cannot do without.
    min_modalities : int
        Fewer than this in a batch and the term is left out.
    max_modalities : int or None
        More than this cannot be taken.
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()
    min_modalities: ClassVar[int] = 2
    max_modalities: ClassVar[int | None] = None

    def forward(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Evaluate the term in float32 or wider, also under autocast.

        Raises
        ------
        HaikuError
            The batch lacks something the objective needs.
        """
        for what in sorted(self.needs):
            if not batch.has(what):
                raise HaikuError(
                    f"The objective {self.name} needs {NEEDS[what]}, which this run does not "
                    "offer: choose another objective."
                )
        if self.max_modalities is not None and len(batch.emb) > self.max_modalities:
            raise HaikuError(
                f"The objective {self.name} takes at most {self.max_modalities} modalities, not "
                f"{len(batch.emb)}."
            )
        with torch.autocast(batch.device.type, enabled=False):
            if len(batch.emb) < self.min_modalities:
                return nothing_to_compare(batch)
            return self.compute(batch.at_least_float32())

    @abstractmethod
    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Evaluate the term on a batch of full precision."""


class Contrastive(Objective):
    """Base of objectives with a temperature and negatives.

    Parameters
    ----------
    temperature : float
        First temperature.
    learnable : bool
        Whether it is learnt.
    lowest, highest : float
        Its limits.
    patient_weight, region_weight, duplicates, siblings
        See :class:`NegativeMask`.
    label_smoothing : float
        Share of each target spread over all candidates; refused where `smooths`
        is False.
    """

    default_temperature: ClassVar[float] = 0.07
    smooths: ClassVar[bool] = True

    def __init__(
        self,
        temperature: float | None = None,
        learnable: bool = False,
        lowest: float = 1e-3,
        highest: float = 0.5,
        patient_weight: float = 1.0,
        region_weight: float = 1.0,
        duplicates: Duplicates = "mask",
        siblings: bool = True,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise HaikuError(
                f"label_smoothing must be at least 0 and below 1, not {label_smoothing}."
            )
        if label_smoothing and not self.smooths:
            raise HaikuError(f"The objective {self.name} has no label smoothing: leave it out.")
        first = self.default_temperature if temperature is None else temperature
        self.temperature = Temperature(first, learnable, lowest, highest)
        self.negatives = NegativeMask(patient_weight, region_weight, duplicates, siblings)
        self.label_smoothing = label_smoothing

    def watched(self) -> dict[str, float]:
        """Diagnostics every contrastive objective has."""
        return {"temperature": self.temperature.value}


def modality_pairs(batch: ContrastiveBatch) -> tuple[tuple[str, str], ...]:
    """Every two modalities of a batch, in their order."""
    return tuple(combinations(batch.emb, 2))


def complete_rows(batch: ContrastiveBatch, modalities: Sequence[str]) -> dict[str, Tensor] | None:
    """Pick the unit rows at which every modality is present; None where too few are."""
    rows = batch.rows_with(*modalities)
    if len(rows) < MIN_ROWS:
        return None
    return {name: unit_rows(batch.emb[name][rows]) for name in modalities}


def nothing_to_compare(batch: ContrastiveBatch) -> ObjectiveOutput:
    """Answer for a batch with too few rows or modalities: no loss, and a count of it."""
    nothing = torch.stack([value[:0].sum() for value in batch.emb.values()]).sum()
    return ObjectiveOutput(nothing.float(), {}, {"skipped": 1.0})
