"""Does a cohort's mean shift outlast another atlas, other training patients, irrelevant text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.cohort.cohort_asking import cohort_mean
from napari_haiku.analysis.counterfactual.placebo import (
    PlaceboVerdict,
    compare_with_placebo,
    plan_placebo_edits,
    rank_among_placebos,
)
from napari_haiku.analysis.counterfactual.record_fields import patient_records, same_value
from napari_haiku.analysis.retrieval.shift_pulls import shifts_and_pulls
from napari_haiku.analysis.retrieval.text_heads import enough_heads, head_texts, heads_p
from napari_haiku.analysis.retrieval.text_reranking import (
    candidates_under_captions,
    shifts_under_captions,
)
from napari_haiku.analysis.statistics.atlas_patients import patient_numbers
from napari_haiku.analysis.statistics.intervals import (
    MIN_PATIENTS,
    Candidates,
    bootstrap_patients,
    calibrated_limits,
)
from napari_haiku.analysis.statistics.linear_error import error_of_pulls, share_beyond
from napari_haiku.clinical import Record, caption
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_haiku.analysis.cohort.cohort_asking import CohortAsking
    from napari_haiku.analysis.cohort.cohort_request import CohortSlide

_CANDIDATES = 6


def resampled_mean(
    asking: CohortAsking, mean: NDArray[np.float64]
) -> Job[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
    """Resample the atlas's patients: error and limits of the cohort's mean shift (markers,)."""
    atlas, request = asking.atlas, asking.request
    nothing = np.full(len(atlas.markers), np.nan)
    patients, number = patient_numbers(atlas)
    if not request.resamples or len(patients) < MIN_PATIENTS:
        return nothing, nothing, nothing
    of_slides, pulls = [], []
    for place, one in enumerate(asking.slides):
        yield Progress(place, len(asking.slides), "Resampling the atlas's patients", "slides")
        gallery = asking.gallery(one)
        texts = asking.model.encode_text(list(one.captions))
        wide = candidates_under_captions(
            asking.he(one), gallery, asking.weights, texts, _CANDIDATES * request.k
        )
        bootstrap = yield from bootstrap_patients(
            Candidates(wide[0], request.k),
            Candidates(wide[1], request.k),
            atlas.expression,
            # Own tissue is never a candidate; numbers stay those of the whole atlas, so
            # that every slide sees the same resampled atlases.
            number,
            np.ones(len(one.rows), np.int64),
            niche_numbers=(1,),
            resamples=request.resamples,
            seed=request.seed,
        )
        in_sd = bootstrap.in_units(asking.scale.sd)
        of_slides.append(in_sd.shifts[0])
        pulls.append(np.moveaxis(in_sd.pulls[:, 0], 0, -1))
    means = _mean_of_known(asking.patient_means(np.stack(of_slides)))
    pulled = _mean_of_known(asking.patient_means(np.stack(pulls)))
    error = error_of_pulls(np.moveaxis(pulled, -1, 0))
    low, high = calibrated_limits(means, mean, error, len(patients))
    return np.where(np.isfinite(low), error, np.nan), low, high


def _mean_of_known(of_patients: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(of_patients)
    count = np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    mean: NDArray[np.float64] = np.where(known, of_patients, 0).sum(axis=0) / count
    return mean


def beyond_irrelevant_text(
    asking: CohortAsking, theta: NDArray[np.float64], atlas_error: NDArray[np.float64]
) -> Job[tuple[PlaceboVerdict, NDArray[np.float64], NDArray[np.float64], str]]:
    """Test the cohort's mean shift with heads or placebo edits, each (1, markers)."""
    mean = cohort_mean(theta)[None]
    nothing = np.full(mean.shape, np.nan)
    verdict = rank_among_placebos(mean, np.empty((0, *mean.shape)))
    if not asking.request.placebo:
        return verdict, nothing, nothing, "p and q were not asked for."
    said, p = "This model knows no field without meaning. ", nothing
    levels = asking.model.card.get("placebo_fields") or {}
    if levels:
        plan = plan_placebo_edits(
            {},
            levels,
            n_fields=len(asking.request.edits),
            edited_fields=tuple(asking.request.edits),
            patients_per_level={
                name: asking.atlas.values_of(name) for name in levels if name in asking.atlas.fields
            },
            edit_patients=_carriers(asking),
            seed=asking.request.seed,
        )
        placebo = yield from _mean_shifts(
            asking,
            lambda one: [
                ({**one.before, **edit.before}, {**one.before, **edit.after}) for edit in plan.edits
            ],
            "Placebo edits",
        )
        verdict = compare_with_placebo(mean, placebo[:, None], plan.df)
        p = verdict.p
        said = f"{len(plan.edits)} placebo edits, {plan.df} independent directions. "
    if not enough_heads(asking.model):
        if np.isfinite(p).any():
            return (
                verdict,
                p,
                nothing,
                (f"p compares the cohort's mean shift with that of placebo edits. {said}").strip(),
            )
        return (
            verdict,
            p,
            nothing,
            ("p and q are not estimable: this model has no refitted text heads. " + said).strip(),
        )
    heads, pulls = yield from _heads(asking)
    beyond = share_beyond(atlas_error[None], pulls[:, :, None])
    p, model_error, _ = heads_p(mean, heads[:, None], atlas_error[None], beyond)
    return (
        verdict,
        p,
        model_error,
        (
            f"p asks of the cohort's mean shift whether another atlas and other training patients "
            f"would give its sign: t = mean / sqrt(se_model^2 + {beyond:.2f} se_atlas^2), "
            f"{len(heads)} refitted text heads, {len(heads) - 1} degrees of freedom. {said}"
        ).strip(),
    )


def _mean_shifts(
    asking: CohortAsking, edits_of: Callable[[CohortSlide], list[tuple[Record, Record]]], doing: str
) -> Job[NDArray[np.float64]]:
    """Cohort's mean shift under each of several edits, (edits, markers), in SD."""
    of_slides = []
    for one in asking.slides:
        edits = [(caption(a), caption(b)) for a, b in edits_of(one)]
        words = list(dict.fromkeys(text for edit in edits for text in edit))
        place = {text: number for number, text in enumerate(words)}
        pairs = np.array([[place[a], place[b]] for a, b in edits])
        of_slides.append(
            (yield from _slide_shifts(asking, one, asking.model.encode_text(words), pairs, doing))
        )
    return cohort_mean(asking.patient_means(np.stack(of_slides)))


def _heads(asking: CohortAsking) -> Job[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Cohort's mean shift by each head (heads, markers), and pulls (heads, patients, markers)."""
    number = patient_numbers(asking.atlas)[1]
    of_slides, pulls = [], []
    for one in asking.slides:
        texts, first = head_texts(asking.model, one.captions)
        shifts, pulled = yield from shifts_and_pulls(
            asking.he(one),
            asking.gallery(one),
            asking.weights,
            texts,
            np.stack([first, first + 1], axis=1),
            asking.request.k,
            np.ones(len(one.rows), np.int64),
            number,
            niche_numbers=(1,),
            weighting=asking.request.weighting,
            doing="Refitted text heads",
        )
        of_slides.append(shifts[:, 0] / asking.scale.sd)
        pulls.append(pulled[:, :, 0] / asking.scale.sd.astype(np.float32))
    mean_pulls = _mean_of_known(asking.patient_means(np.stack(pulls)))
    return cohort_mean(asking.patient_means(np.stack(of_slides))), mean_pulls


def _slide_shifts(
    asking: CohortAsking,
    one: CohortSlide,
    texts: NDArray[np.float32],
    pairs: NDArray[np.int64],
    doing: str,
) -> Job[NDArray[np.float64]]:
    shifts = yield from shifts_under_captions(
        asking.he(one),
        asking.gallery(one),
        asking.weights,
        texts,
        pairs,
        asking.request.k,
        np.ones(len(one.rows), np.int64),
        niche_numbers=(1,),
        weighting=asking.request.weighting,
        doing=doing,
    )
    return shifts[:, 0] / asking.scale.sd


def _carriers(asking: CohortAsking) -> tuple[int, int]:
    """Atlas patients with the baseline and with the edited values of the first slide."""
    records = patient_records(asking.atlas.records, asking.atlas.fields)
    one = asking.slides[0]
    sides = []
    for start, end in ((one.before, one.after), (one.after, one.before)):
        carry = np.ones(len(records.patients), bool)
        for name in asking.request.edits:
            if not same_value(start[name], end[name]):
                carry &= records.carry(name, start[name], against=end[name])
        sides.append(int(carry.sum()))
    return sides[0], sides[1]
