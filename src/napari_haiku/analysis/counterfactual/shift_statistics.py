"""Figures beside each shift: intervals, placebo edits, the atlas contrast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.biomarkers.readout import niche_means
from napari_haiku.analysis.counterfactual.contrast import Contrast, choose_groups, contrast_patients
from napari_haiku.analysis.counterfactual.idle_fields import fields_without_meaning
from napari_haiku.analysis.counterfactual.irrelevant_text import (
    TextComparison,
    compare_with_irrelevant_text,
)
from napari_haiku.analysis.counterfactual.placebo import rank_among_placebos
from napari_haiku.analysis.counterfactual.published_test import wilcoxon_over_patches
from napari_haiku.analysis.counterfactual.shift_inputs import MIN_NICHE_PATCHES, ShiftInputs
from napari_haiku.analysis.counterfactual.shift_table import ShiftFigures
from napari_haiku.analysis.niches.nearest_centroid import assign_to_nearest, niche_centroids
from napari_haiku.analysis.retrieval.text_heads import enough_heads, head_texts, heads_p
from napari_haiku.analysis.statistics.intervals import (
    MIN_PATIENTS,
    Candidates,
    bootstrap_blocks,
    bootstrap_patients,
)
from napari_haiku.analysis.statistics.linear_error import share_beyond
from napari_haiku.analysis.statistics.patient_means import patient_niche_means
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CANDIDATES = 6
_SHORT_WORTH_SAYING = 0.05


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
    weak_placebo : bool
        Whether the placebo edits were wordings only.
    """

    figures: ShiftFigures
    whole_edit_p: float
    inference: str
    adjusted_for: tuple[str, ...]
    notes: tuple[str, ...]
    weak_placebo: bool = False


@dataclass(frozen=True)
class _Repeats:
    """What resampled atlases say of each shift."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    error: NDArray[np.float64]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Test:
    """The p of every row, where it comes from, and what it rests on."""

    p: NDArray[np.float64]
    model_error: NDArray[np.float64]
    error: NDArray[np.float64]
    text: TextComparison
    inference: str


def estimate_shifts(inputs: ShiftInputs) -> Job[ShiftEstimates]:
    """Average shifts over niches and put every figure beside them.

    Niches of fewer than five patches give no figure. Intervals, text heads and
    placebo edits are computed on at most 500 patches of a niche, spread over it
    evenly.
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
    repeats = yield from _repeats(inputs, shift, change)
    test = yield from _test(inputs, shift, repeats.error)
    yield Progress(0, 1, "Comparing atlas patients", "tables")
    contrast, adjusted_for, contrast_notes = _contrast(inputs)
    tissue = (np.full(shift.shape, np.nan), np.full(shift.shape, np.nan))
    if inputs.resamples:
        tissue = bootstrap_blocks(
            change,
            inputs.question.positions_um,
            labels,
            niche_numbers=numbers,
            resamples=inputs.resamples,
            seed=inputs.seed,
        )
    estimable = np.isfinite(shift)
    verdict = test.text.verdict
    figures = ShiftFigures(
        n=patches,
        baseline=before,
        counterfactual=after,
        limits=(repeats.low, repeats.high),
        tissue=(np.where(estimable, tissue[0], np.nan), np.where(estimable, tissue[1], np.nan)),
        p=test.p,
        placebo_p=verdict.rank_p,
        placebo_scale=verdict.scale,
        placebo_t_p=verdict.p,
        contrast=contrast,
        atlas_error=repeats.error,
        model_error=test.model_error,
        error=test.error,
        wording_sd=np.where(estimable, test.text.wording_sd, np.nan),
        published_p=wilcoxon_over_patches(change, labels, numbers, MIN_NICHE_PATCHES),
    )
    return ShiftEstimates(
        figures,
        verdict.whole_edit_p,
        test.inference,
        adjusted_for,
        (*_small_niches(inputs, patches), *repeats.notes, *contrast_notes),
        weak_placebo=test.text.weak,
    )


def _repeats(
    inputs: ShiftInputs, shift: NDArray[np.float64], change: NDArray[np.float64]
) -> Job[_Repeats]:
    nothing = np.full(shift.shape, np.nan)
    if inputs.resamples == 0:
        return _Repeats(nothing, nothing, nothing)
    if inputs.evidence.n_patients < MIN_PATIENTS:
        told = (
            f"Intervals need at least {MIN_PATIENTS} atlas patients that may answer; there are "
            f"{inputs.evidence.n_patients}."
        )
        return _Repeats(nothing, nothing, nothing, (told,))
    sample = inputs.sample
    yield Progress(0, len(sample), "Resampling the atlas's patients")
    asked = inputs.question.of_patches(sample)
    wide = _CANDIDATES * inputs.k
    baseline, edited = (
        Candidates(
            np.concatenate(
                [asked.ask(part, inputs.weights, text, wide).indices for part in asked.blocks()]
            ),
            inputs.k,
        )
        for text in inputs.texts
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
    bootstrap = bootstrap.in_units(inputs.scale.sd)
    low, high = bootstrap.interval(shift)
    # Where only some patches were resampled, the limits move with the mean of all.
    apart = shift - niche_means(change[sample], labels, numbers, MIN_NICHE_PATCHES)
    notes = []
    if bootstrap.short > _SHORT_WORTH_SAYING:
        notes.append(
            f"In {bootstrap.short:.0%} of the resampled atlases fewer than {inputs.k} neighbours "
            "were left; the intervals are rough."
        )
    return _Repeats(low + apart, high + apart, bootstrap.error(shift), tuple(notes))


def _test(
    inputs: ShiftInputs, shift: NDArray[np.float64], atlas_error: NDArray[np.float64]
) -> Job[_Test]:
    nothing = np.full(shift.shape, np.nan)
    if not inputs.placebo:
        unasked = TextComparison(
            rank_among_placebos(shift, np.empty((0, *shift.shape))), "", False, nothing
        )
        return _Test(nothing, nothing, nothing, unasked, "p and q were not asked for.")
    text = yield from compare_with_irrelevant_text(inputs, shift)
    if not enough_heads(inputs.model):
        return _Test(text.verdict.p, nothing, nothing, text, _without_heads(text))
    captions = [inputs.edit.baseline_caption, inputs.edit.edited_caption]
    texts, first = head_texts(inputs.model, captions)
    pairs = np.stack([first, first + 1], axis=1)
    of_heads, pulls = yield from inputs.shifts_and_pulls_of(texts, pairs, "Refitted text heads")
    beyond = share_beyond(atlas_error, pulls)
    p, model_error, error = heads_p(shift, of_heads, atlas_error, beyond)
    if not np.isfinite(atlas_error).any():
        told = "p and q are not estimable: they need resampled atlases, which were not asked for"
        if inputs.resamples:
            told = f"p and q are not estimable: they need {MIN_PATIENTS} atlas patients or more"
        return _Test(p, model_error, error, text, f"{told}. {text.sentence}")
    said = (
        f"p asks whether another atlas and other training patients would give a shift of this "
        f"sign: t = shift / sqrt(se_model^2 + {beyond:.2f} se_atlas^2), the model error over "
        f"{len(of_heads)} text heads refitted on bootstraps of the training patients, of the atlas "
        f"error the share that the heads do not hold yet, {len(of_heads) - 1} degrees of freedom; "
        f"q by Benjamini and Hochberg over the whole table, of the larger of p and the placebo "
        f"edits' own p (placebo_t_p). {text.sentence}"
    )
    return _Test(p, model_error, error, text, said)


def _without_heads(text: TextComparison) -> str:
    if text.weak:
        return (
            "p and q are not estimable: this model has neither refitted text heads nor fields "
            f"without meaning in its training captions to compare with. {text.sentence}"
        )
    if not np.isfinite(text.verdict.p).any():
        return f"p and q are not estimable: this model has no refitted text heads. {text.sentence}"
    return (
        "p compares the shift with the usual size of placebo shifts (t scaled by them), since this "
        "model has no refitted text heads; q by Benjamini and Hochberg over the whole table. "
        f"{text.sentence}"
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
        not_adjusted=fields_without_meaning(inputs.model.card),
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
