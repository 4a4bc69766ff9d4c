"""What irrelevant text and other wordings do to the same tissue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.counterfactual.placebo import (
    MIN_DEGREES_OF_FREEDOM,
    PlaceboPlan,
    PlaceboVerdict,
    compare_with_placebo,
    plan_placebo_edits,
    rank_among_placebos,
)
from napari_haiku.analysis.counterfactual.wording import wording_placebos, wordings
from napari_haiku.clinical import caption

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_haiku.analysis.counterfactual.shift_inputs import ShiftInputs
    from napari_haiku.jobs import Job

WEAK = (
    "Placebo p and the whole-edit p come from other wordings of the same record (opening "
    "sentences, order of fields, sentences that say nothing), since this model knows no field "
    "without meaning: a weak comparison, and no ground for q."
)


@dataclass(frozen=True)
class TextComparison:
    """An edit beside irrelevant text and beside other wordings of itself.

    Parameters
    ----------
    verdict : PlaceboVerdict
        How it compares with the placebo edits.
    sentence : str
        Which placebo edits those were, and how many.
    weak : bool
        Whether they were wordings only.
    wording_sd : ndarray of float64, shape (niches, markers)
        SD of the shift over wordings of the edit; NaN with one wording.
    """

    verdict: PlaceboVerdict
    sentence: str
    weak: bool
    wording_sd: NDArray[np.float64]


def compare_with_irrelevant_text(
    inputs: ShiftInputs, shift: NDArray[np.float64]
) -> Job[TextComparison]:
    """Run placebo edits and other wordings in one pass over the atlas.

    Placebo edits come from fields without meaning that the model was trained
    with; without any they are other wordings of the record.

    Parameters
    ----------
    inputs : ShiftInputs
        The question.
    shift : ndarray, shape (niches, markers)
        Shifts of the edit.
    """
    edit = inputs.edit
    worded = wordings(edit.baseline, edit.edited, seed=inputs.seed)
    plan = None
    fields = placebo_levels(inputs)
    if fields:
        plan = placebo_plan(inputs, fields)
        placebos = [(caption(one.before), caption(one.after)) for one in plan.edits]
    else:
        placebos = wording_placebos(edit.baseline, seed=inputs.seed)
    captions = list(dict.fromkeys(words for pair in (*worded, *placebos) for words in pair))
    texts = inputs.model.encode_text(captions)
    row = {words: number for number, words in enumerate(captions)}
    pairs = np.array([[row[a], row[b]] for a, b in (*worded, *placebos)])
    # Words that the model reads as nothing change nothing and are no comparison.
    told = (texts[pairs[:, 0]] != texts[pairs[:, 1]]).any(axis=1)
    shifts = yield from inputs.shifts_of(texts, pairs, "Placebo edits and other wordings")
    of_wordings, of_placebos = shifts[: len(worded)], shifts[len(worded) :][told[len(worded) :]]
    spread = np.full(shift.shape, np.nan)
    if len(of_wordings) > 1:
        spread = of_wordings.std(axis=0, ddof=1)
    if plan is None:
        verdict = rank_among_placebos(shift, of_placebos)
        return TextComparison(verdict, WEAK, weak=True, wording_sd=spread)
    verdict = compare_with_placebo(shift, of_placebos, plan.df)
    return TextComparison(verdict, _said(plan), weak=False, wording_sd=spread)


def placebo_levels(inputs: ShiftInputs) -> dict[str, list[str]]:
    """Levels of every field without meaning that was in the training captions.

    A twin (a neutral name with the values of a real field, dealt out at random)
    has the levels that the card or the atlas gives it.
    """
    card, atlas = inputs.model.card, inputs.question.atlas
    levels: dict[str, list[str]] = {
        str(field): [str(level) for level in values]
        for field, values in (card.get("placebo_fields") or {}).items()
    }
    for twin in card.get("twin_fields") or {}:
        if twin not in levels and twin in atlas.fields:
            levels[str(twin)] = list(atlas.values_of(twin))
    return {field: values for field, values in levels.items() if not _is_scale(values)}


def placebo_plan(inputs: ShiftInputs, fields: Mapping[str, Sequence[str]]) -> PlaceboPlan:
    """Plan placebo edits that cost as much effort as the edit asked for."""
    atlas, edit, records = inputs.question.atlas, inputs.edit, inputs.evidence.records
    carried = {"before": np.ones(len(records.patients), bool)}
    carried["after"] = carried["before"].copy()
    for field, value in edit.after.items():
        carried["after"] &= records.carry(field, value, against=edit.before[field])
        carried["before"] &= records.carry(field, edit.before[field], against=value)
    return plan_placebo_edits(
        edit.baseline,
        fields,
        n_fields=len(edit.after),
        edited_fields=tuple(edit.after),
        patients_per_level={
            field: atlas.values_of(field) for field in fields if field in atlas.fields
        },
        edit_patients=(int(carried["before"].sum()), int(carried["after"].sum())),
        seed=inputs.seed,
    )


def _is_scale(levels: Sequence[str]) -> bool:
    """Levels without number: a chance direction each, and no text effort to match."""
    return len(levels) > 10 and all(level.replace(".", "", 1).isdigit() for level in levels)


def _said(plan: PlaceboPlan) -> str:
    if not plan.enough:
        return (
            f"The placebo edits span only {plan.df} independent directions, fewer than "
            f"{MIN_DEGREES_OF_FREEDOM}, so the edit cannot be compared with them."
        )
    matched = "matched" if plan.matched else "not matched"
    return (
        f"{len(plan.edits)} placebo edits were run (fields without meaning that the model read in "
        f"training; {plan.df} independent directions; {matched} in patients per level)."
    )
