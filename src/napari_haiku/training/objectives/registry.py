"""Objectives by name, and their weighted sum."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives.adapter import Mmrlpp
from napari_haiku.training.objectives.barlow import Barlow
from napari_haiku.training.objectives.base import (
    Contrastive,
    Objective,
    ObjectiveOutput,
    nothing_to_compare,
)
from napari_haiku.training.objectives.expression import Expression
from napari_haiku.training.objectives.gram import Gram
from napari_haiku.training.objectives.intra_modal import IntraModal
from napari_haiku.training.objectives.mixup import MixupContrastive
from napari_haiku.training.objectives.multi_positive import MultiPositive
from napari_haiku.training.objectives.multiview import MvDhel, MvInfoNce
from napari_haiku.training.objectives.neighbours import ExpressionNeighbours
from napari_haiku.training.objectives.pairwise import PairwiseClip
from napari_haiku.training.objectives.patch_information import PatchMutualInformation
from napari_haiku.training.objectives.perturbed_text import PerturbedTextNegatives
from napari_haiku.training.objectives.pixel_consistency import PixelConsistency
from napari_haiku.training.objectives.place_expression import PlaceExpression
from napari_haiku.training.objectives.pmrl import Pmrl
from napari_haiku.training.objectives.record import RecordReadOut
from napari_haiku.training.objectives.sepclr import SepClr
from napari_haiku.training.objectives.siglip import Siglip
from napari_haiku.training.objectives.similarity_weighted import Cwcl
from napari_haiku.training.objectives.symile import Symile
from napari_haiku.training.objectives.uniformity import UniformityAlignment

if TYPE_CHECKING:
    from napari_haiku.training.objectives.batch import ContrastiveBatch

OBJECTIVES: dict[str, type[Objective]] = {
    kind.name: kind
    for kind in (
        PairwiseClip,
        Siglip,
        Symile,
        Gram,
        Pmrl,
        MvInfoNce,
        MvDhel,
        Cwcl,
        MultiPositive,
        MixupContrastive,
        UniformityAlignment,
        IntraModal,
        Barlow,
        SepClr,
        PatchMutualInformation,
        PixelConsistency,
        PerturbedTextNegatives,
        Mmrlpp,
        Expression,
        PlaceExpression,
        RecordReadOut,
        ExpressionNeighbours,
    )
}
Recipe = Mapping[str, float | Mapping[str, Any]]


class WeightedObjectives(Objective):
    """A weighted sum of objectives, itself an objective.

    Parameters
    ----------
    terms : list of (Objective, float)
        Each objective with its weight.
    """

    name = "sum"
    min_modalities = 1

    def __init__(self, terms: list[tuple[Objective, float]]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict({term.name: term for term, _ in terms})
        self.weights = {term.name: weight for term, weight in terms}

    @property
    def everything_needed(self) -> frozenset[str]:
        """Fields of the batch that some term needs."""
        return frozenset().union(*(OBJECTIVES[name].needs for name in self.weights))

    def compute(self, batch: ContrastiveBatch) -> ObjectiveOutput:
        """Evaluate every term; one that finds nothing to compare adds nothing."""
        total: Tensor = nothing_to_compare(batch).loss
        parts: dict[str, Tensor] = {}
        watched: dict[str, float] = {}
        for name, term in self.terms.items():
            out: ObjectiveOutput = term(batch)
            total = total + self.weights[name] * out.loss
            if "skipped" not in out.diagnostics:
                parts[name] = out.loss
            parts |= {f"{name} {part}": value for part, value in out.parts.items()}
            watched |= {f"{name} {what}": value for what, value in out.diagnostics.items()}
        return ObjectiveOutput(total, parts, watched)


def build_objective(
    recipe: Recipe, *, dim: int = 0, markers: int = 0, maps: int = 0, levels: int = 0
) -> WeightedObjectives:
    """Make the weighted sum of objectives that a recipe describes.

    Parameters
    ----------
    recipe : mapping
        Name -> weight, or name -> ``{"weight": w, **options}``.
    dim : int
        Length of the embeddings, for objectives with layers of their own.
    markers : int
        Number of markers, for `expression` and `place_expression`.
    maps : int
        Length of what the H&E tower tells of a place, for `place_expression`.
    levels : int
        Columns of the record, for `record`.

    Returns
    -------
    WeightedObjectives
        A module: its parameters belong into the optimiser and its state into
        the checkpoint.

    Raises
    ------
    HaikuError
        An unknown name or option, a weight that is no positive number, or
        nothing at all.

    Examples
    --------
    >>> both = build_objective(
    ...     {"pairwise_clip": {"temperature": 0.1}, "expression": 0.3}, dim=256, markers=24
    ... )
    """
    if not recipe:
        raise HaikuError("No objective was chosen: name at least one, such as pairwise_clip.")
    known = {"dim": dim, "markers": markers, "maps": maps, "levels": levels}
    terms = []
    for name, entry in recipe.items():
        kind = named(name)
        options = dict(entry) if isinstance(entry, Mapping) else {"weight": entry}
        weight = options.pop("weight", 1.0)
        usable = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not usable or not (math.isfinite(weight) and weight > 0):
            raise HaikuError(
                f"The weight of {name} must be a number above 0, not {weight}: leave the objective "
                "out if it should not count."
            )
        terms.append((_made(kind, options, known), float(weight)))
    return WeightedObjectives(terms)


def named(name: str) -> type[Objective]:
    """Class of an objective.

    Raises
    ------
    HaikuError
        There is none of that name; lists those there are.
    """
    if name not in OBJECTIVES:
        raise HaikuError(f"There is no objective '{name}': choose {', '.join(OBJECTIVES)}.")
    return OBJECTIVES[name]


def _made(kind: type[Objective], options: dict[str, Any], known: dict[str, int]) -> Objective:
    accepted = set(inspect.signature(kind.__init__).parameters) - {"self", "shared"}
    if issubclass(kind, Contrastive):
        accepted |= set(inspect.signature(Contrastive.__init__).parameters) - {"self"}
    foreign = sorted(set(options) - accepted)
    if foreign:
        raise HaikuError(
            f"The objective {kind.name} has no option '{foreign[0]}': it has "
            f"{', '.join(sorted(accepted))}."
        )
    given = {name: value for name, value in known.items() if name in accepted} | options
    try:
        return kind(**given)
    except TypeError as error:
        raise HaikuError(
            f"An option of the objective {kind.name} is no number: {error}."
        ) from error
