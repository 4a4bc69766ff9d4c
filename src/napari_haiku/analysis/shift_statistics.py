"""Figures beside each shift: intervals, placebo edits, the atlas contrast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.contrast import Contrast, choose_groups, contrast_patients
from napari_haiku.analysis.intervals import (
    MIN_PATIENTS,
    Candidates,
    bootstrap_blocks,
    bootstrap_patients,
)
from napari_haiku.analysis.nearest_centroid import assign_to_nearest, niche_centroids
from napari_haiku.analysis.patient_means import patient_niche_means
from napari_haiku.analysis.placebo import (
    MIN_DEGREES_OF_FREEDOM,
    PlaceboPlan,
    PlaceboVerdict,
    compare_with_placebo,
    plan_placebo_edits,
)
from napari_haiku.analysis.readout import mean_of_neighbours, niche_means
from napari_haiku.analysis.shift_table import ShiftFigures
from napari_haiku.clinical import caption
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.analysis.evidence import Evidence
    from napari_haiku.analysis.marker_scale import MarkerScale
    from napari_haiku.analysis.niches import NicheLabels
    from napari_haiku.analysis.record_edit import RecordEdit
    from napari_haiku.analysis.retrieval import SlideQuestion
    from napari_haiku.model.base import TissueModel

MIN_NICHE_PATCHES = 5
_CANDIDATES = 6
_PATCHES_A_NICHE = 500
_SHORT_WORTH_SAYING = 0.05


@dataclass(frozen=True)
class ShiftInputs:
    """What the figures are made from.

    Parameters
    ----------
    question : SlideQuestion
        Patches and who may answer.
    weights : mapping
        Weights of H&E and text.
    texts : ndarray of float32, shape (2, dim)
        Vectors of the baseline and the edited caption.
    evidence, others : Evidence
        Patients that may answer, and those other than the slide's own.
    edit : RecordEdit
        The edit.
    model : TissueModel
        Reads placebo captions; its card names trained placebo fields.
    scale : MarkerScale
        Unit of the shifts.
    labels : NicheLabels
        Niches of the patches.
    baseline, counterfactual : ndarray of float64, shape (n, markers)
        Read-outs in SD from the atlas mean.
    k, resamples, seed : int
        Neighbours, resampled atlases, seed.
    placebo : bool
        Whether to run placebo edits.
    """

    question: SlideQuestion
    weights: Mapping[str, float]
    texts: NDArray[np.float32]
    evidence: Evidence
    others: Evidence
    edit: RecordEdit
    model: TissueModel
    scale: MarkerScale
    labels: NicheLabels
    baseline: NDArray[np.float64]
    counterfactual: NDArray[np.float64]
    k: int
    resamples: int
    placebo: bool
    seed: int

    @property
    def niche_numbers(self) -> tuple[int, ...]:
        """Niches in the order of the figures."""
        return tuple(self.labels.names)


@dataclass(frozen=True)
class ShiftEstimates:
    """The figures and how they came about.

    Parameters
    ----------
    figures : ShiftFigures
        One value a niche and marker.
    whole_edit_p : float
        Rank of the edit among placebo edits.
    inference : str
        Where p and q come from, or why there are none.
    adjusted_for : tuple of str
        Fields held constant in the contrast.
    notes : tuple of str
        Sentences for the user.
    """

    figures: ShiftFigures
    whole_edit_p: float
    inference: str
    adjusted_for: tuple[str, ...]
    notes: tuple[str, ...]


def estimate_shifts(inputs: ShiftInputs) -> Job[ShiftEstimates]:
    """Average shifts over niches and put every figure beside them.

    Niches of fewer than five patches give no figure. Intervals and placebo
    edits are computed on at most 500 patches of a niche, spread over it evenly.
    """
    numbers, labels = inputs.niche_numbers, inputs.labels.labels
    change = inputs.counterfactual - inputs.baseline
    known = np.isfinite(change)
    before, after = (
        niche_means(np.where(known, values, np.nan), labels, numbers, MIN_NICHE_PATCHES)
        for values in (inputs.baseline, inputs.counterfactual)
    )
    shift = after - before
    patches = np.array([known[labels == number].sum(axis=0) for number in numbers])
    sample = _spread_sample(labels, numbers)
    limits, interval_notes = yield from _intervals(inputs, shift, change, sample)
    verdict, inference = yield from _placebo(inputs, shift, sample)
    yield Progress(0, 1, "Comparing atlas patients", "tables")
    contrast, adjusted_for, contrast_notes = _contrast(inputs)
    tissue = bootstrap_blocks(
        change,
        inputs.question.positions_um,
        labels,
        niche_numbers=numbers,
        resamples=max(inputs.resamples, 1),
        seed=inputs.seed,
    )
    if inputs.resamples == 0:
        tissue = (np.full(shift.shape, np.nan), np.full(shift.shape, np.nan))
    estimable = np.isfinite(shift)
    figures = ShiftFigures(
        n=patches,
        baseline=before,
        counterfactual=after,
        limits=limits,
        tissue=(np.where(estimable, tissue[0], np.nan), np.where(estimable, tissue[1], np.nan)),
        p=verdict.p,
        placebo_p=verdict.rank_p,
        placebo_scale=verdict.scale,
        contrast=contrast,
    )
    return ShiftEstimates(
        figures,
        verdict.whole_edit_p,
        inference,
        adjusted_for,
        (*_small_niches(inputs, patches), *interval_notes, *contrast_notes),
    )


def _spread_sample(labels: NDArray[np.int64], numbers: tuple[int, ...]) -> NDArray[np.int64]:
    chosen = []
    for number in numbers:
        rows = np.flatnonzero(labels == number)
        size = min(len(rows), _PATCHES_A_NICHE)
        chosen.append(rows[np.linspace(0, len(rows) - 1, size).round().astype(np.int64)])
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)


def _ask_sample(
    inputs: ShiftInputs, sample: NDArray[np.int64], text: NDArray[np.float32], k: int
) -> NDArray[np.int64]:
    asked = inputs.question.of_patches(sample)
    return np.concatenate(
        [asked.ask(part, inputs.weights, text, k).indices for part in asked.blocks()]
    )


def _intervals(
    inputs: ShiftInputs,
    shift: NDArray[np.float64],
    change: NDArray[np.float64],
    sample: NDArray[np.int64],
) -> Job[tuple[tuple[NDArray[np.float64], NDArray[np.float64]], list[str]]]:
    nothing = np.full(shift.shape, np.nan)
    if inputs.resamples == 0:
        return (nothing, nothing.copy()), []
    if inputs.evidence.n_patients < MIN_PATIENTS:
        return (nothing, nothing.copy()), [
            (
                f"Intervals need at least {MIN_PATIENTS} atlas patients that may answer; there are "
                f"{inputs.evidence.n_patients}."
            )
        ]
    yield Progress(0, len(sample), "Resampling the atlas's patients")
    wide = _CANDIDATES * inputs.k
    baseline, edited = (
        Candidates(_ask_sample(inputs, sample, text, wide), inputs.k) for text in inputs.texts
    )
    numbers, labels = inputs.niche_numbers, inputs.labels.labels[sample]
    bootstrap = yield from bootstrap_patients(
        baseline,
        edited,
        inputs.question.atlas.expression,
        inputs.evidence.number,
        labels,
        niche_numbers=numbers,
        resamples=inputs.resamples,
        seed=inputs.seed,
    )
    low, high = bootstrap.in_units(inputs.scale.sd).interval(shift)
    # Where only some patches were resampled, the limits move with the mean of all.
    apart = shift - niche_means(change[sample], labels, numbers, MIN_NICHE_PATCHES)
    notes = []
    if bootstrap.short > _SHORT_WORTH_SAYING:
        notes.append(
            f"In {bootstrap.short:.0%} of the resampled atlases fewer than {inputs.k} neighbours "
            "were left; the intervals are rough."
        )
    return (low + apart, high + apart), notes


def _placebo(
    inputs: ShiftInputs, shift: NDArray[np.float64], sample: NDArray[np.int64]
) -> Job[tuple[PlaceboVerdict, str]]:
    nothing = compare_with_placebo(shift, np.empty((0, *shift.shape)), 0)
    fields = inputs.model.card.get("placebo_fields") or {}
    if not inputs.placebo:
        return nothing, "p and q were not asked for."
    if not fields:
        return nothing, (
            "p and q are not estimable: this model has neither refitted text heads nor fields "
            "without meaning in its training captions to compare with."
        )
    plan = _placebo_plan(inputs, fields)
    if not plan.enough:
        return nothing, (
            f"p and q are not estimable: the placebo edits span only {plan.df} independent "
            f"directions, fewer than {MIN_DEGREES_OF_FREEDOM}."
        )
    captions = list(
        dict.fromkeys(
            caption(record) for edit in plan.edits for record in (edit.before, edit.after)
        )
    )
    texts = inputs.model.encode_text(captions)
    readouts: dict[str, NDArray[np.float64]] = {}
    for done, (words, text) in enumerate(zip(captions, texts, strict=True)):
        yield Progress(done, len(captions), "Placebo edits", "captions")
        found = _ask_sample(inputs, sample, text, inputs.k)
        readouts[words] = inputs.scale.standardise(
            mean_of_neighbours(inputs.question.atlas.expression, found)
        )
    labels = inputs.labels.labels[sample]
    shifts = np.stack(
        [
            niche_means(
                readouts[caption(edit.after)] - readouts[caption(edit.before)],
                labels,
                inputs.niche_numbers,
                MIN_NICHE_PATCHES,
            )
            for edit in plan.edits
        ]
    )
    matched = "matched" if plan.matched else "not matched"
    return compare_with_placebo(shift, shifts, plan.df), (
        f"p and q compare the edit with {len(plan.edits)} placebo edits (fields without meaning "
        f"that the model read in training; {plan.df} independent directions; {matched} in "
        "patients per level)."
    )


def _placebo_plan(inputs: ShiftInputs, fields: Mapping[str, Any]) -> PlaceboPlan:
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


def _contrast(inputs: ShiftInputs) -> tuple[Contrast, tuple[str, ...], list[str]]:
    atlas, numbers = inputs.question.atlas, inputs.niche_numbers
    shape = (len(numbers), len(atlas.markers))
    nothing = Contrast(*(np.full(shape, np.nan) for _ in range(4)))
    if "he" not in atlas.modalities:
        return nothing, (), ["The atlas has no H&E, so its patients' niches cannot be told apart."]
    centroids = niche_centroids(inputs.question.he, inputs.labels.labels, numbers)
    means = patient_niche_means(
        atlas.expression,
        inputs.others.number,
        assign_to_nearest(atlas.embeddings("he"), centroids),
        n_patients=inputs.others.n_patients,
        n_niches=len(numbers),
    )
    comparison = choose_groups(
        inputs.others.records,
        inputs.edit.before,
        inputs.edit.after,
        not_adjusted=tuple(inputs.model.card.get("placebo_fields") or ()),
    )
    contrast = contrast_patients(
        (means - inputs.scale.mean) / inputs.scale.sd, comparison, seed=inputs.seed
    )
    notes = []
    if not np.isfinite(contrast.p).any():
        edited, baseline = int(comparison.edited.sum()), int((~comparison.edited).sum())
        notes.append(
            f"The atlas contrast is not estimable: {edited} other patients carry the edited "
            f"values and {baseline} the baseline's, and no niche has tissue of five of each."
        )
    return contrast, comparison.adjusted_for, notes


def _small_niches(inputs: ShiftInputs, patches: NDArray[np.int64]) -> list[str]:
    small = [
        name
        for name, counts in zip(inputs.labels.names.values(), patches, strict=True)
        if counts.max(initial=0) < MIN_NICHE_PATCHES
    ]
    if not small:
        return []
    return [
        f"Too few patches for an estimate (fewer than {MIN_NICHE_PATCHES}): {', '.join(small)}."
    ]
