"""Ready choices of objectives, and reading a choice from the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives import OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class ObjectivePreset:
    """A recipe of objectives under a name.

    Parameters
    ----------
    name : str
        As written on the command line.
    title : str
        As shown in a window.
    description : str
        One line on when to choose it.
    objectives : mapping
        For :func:`napari_haiku.training.objectives.build_objective`.
    from_model : mapping
        The recipe where training starts from a model whose projections are
        frozen (:class:`FrozenProjectionAdapter`), or the same.
    """

    name: str
    title: str
    description: str
    objectives: Mapping[str, Any]
    from_model: Mapping[str, Any] = field(default_factory=dict)

    def recipe(self, *, starting_model: bool = False) -> dict[str, Any]:
        """Objectives to use, with or without a model to start from."""
        return dict(self.from_model if starting_model and self.from_model else self.objectives)


PRESETS: dict[str, ObjectivePreset] = {
    preset.name: preset
    for preset in (
        ObjectivePreset(
            "standard",
            "Standard",
            "Every two modalities compared, as published; repeated captions are no negatives.",
            {"pairwise_clip": {"weight": 1.0, "duplicates": "mask", "siblings": True}},
        ),
        ObjectivePreset(
            "small-cohort",
            "Small cohort",
            "Few patients: softened targets, mixed rows, and a starting model held on to.",
            {
                "pairwise_clip": {"weight": 1.0, "label_smoothing": 0.1},
                "mixup_contrastive": {"weight": 0.1, "until": 0.33},
            },
            {
                "mmrlpp": {"weight": 1.0, "label_smoothing": 0.1},
                "mixup_contrastive": {"weight": 0.1, "until": 0.33},
            },
        ),
        ObjectivePreset(
            "whole-tuple",
            "Whole tuple",
            "All modalities of a patch judged at once, none of them the anchor.",
            {"mv_dhel": {"weight": 1.0}},
        ),
    )
}


def parse_objectives(words: Sequence[str]) -> dict[str, Any]:
    """Read objectives as written after ``--objective``.

    Each is ``NAME`` or ``NAME=WEIGHT``; one preset may stand alone. Nothing at
    all is the preset `standard`.

    Returns
    -------
    dict
        Name -> weight or options, for
        :func:`napari_haiku.training.objectives.build_objective`.

    Raises
    ------
    HaikuError
        An unknown or repeated name, or a weight that is no number above 0.
    """
    if not words:
        return PRESETS["standard"].recipe()
    if len(words) == 1 and words[0].strip() in PRESETS:
        return PRESETS[words[0].strip()].recipe()
    recipe: dict[str, Any] = {}
    for word in words:
        name, equals, share = (part.strip() for part in word.partition("="))
        if name in PRESETS:
            raise HaikuError(
                f"The preset '{name}' takes no weight and stands alone: give only --objective "
                f"{name}, or name single objectives."
            )
        if name not in OBJECTIVES:
            raise HaikuError(
                f"There is no objective '{name}': choose {', '.join(OBJECTIVES)}, or one of the "
                f"presets {', '.join(PRESETS)}."
            )
        if name in recipe:
            raise HaikuError(f"The objective {name} is named twice: give it one weight.")
        recipe[name] = _weight(name, share) if equals else 1.0
    return recipe


def _weight(name: str, share: str) -> float:
    try:
        weight = float(share)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        raise HaikuError(
            f"The weight '{share}' of the objective {name} is no number above 0: write for example "
            f"{name}=0.1."
        )
    return weight
