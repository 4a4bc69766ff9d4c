"""Cohort counterfactual: the records of many patients edited alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.biomarkers.marker_scale import marker_scale
from napari_haiku.analysis.cohort.cohort_asking import CohortAsking, cohort_mean
from napari_haiku.analysis.cohort.cohort_classifier import classify
from napari_haiku.analysis.cohort.cohort_contrast import cohort_contrast
from napari_haiku.analysis.cohort.cohort_inference import beyond_irrelevant_text, resampled_mean
from napari_haiku.analysis.cohort.cohort_request import (
    CohortCounterfactualRequest,
    CohortSlide,
    cohort_slides,
)
from napari_haiku.analysis.cohort.cohort_result import CohortCounterfactualResult, cohort_table
from napari_haiku.analysis.cohort.cohort_tests import agreement, group_shifts
from napari_haiku.analysis.counterfactual.idle_fields import fields_without_meaning
from napari_haiku.analysis.counterfactual.record_fields import patient_records, same_value
from napari_haiku.analysis.retrieval.public_filter import public_filter
from napari_haiku.analysis.retrieval.query_weights import choose_weights
from napari_haiku.analysis.retrieval.text_reranking import mean_of_chosen, rank_under_captions
from napari_haiku.analysis.statistics.atlas_patients import patient_numbers
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress
from napari_haiku.notices import SAME_PATIENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_haiku.analysis.cohort.cohort_classifier import Classification
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.model.base import TissueModel

__all__ = ["CohortCounterfactualRequest", "run_cohort_counterfactual"]

DEFAULT_WEIGHTS = {"he": 0.6, "text": 0.4}


@dataclass(frozen=True)
class _Readouts:
    baseline: NDArray[np.float64]
    shift: NDArray[np.float64]
    overlap: NDArray[np.float64]
    own: NDArray[np.float64]
    answering: NDArray[np.float64]


def run_cohort_counterfactual(
    atlas: Atlas, model: TissueModel, request: CohortCounterfactualRequest
) -> Job[CohortCounterfactualResult]:
    """Ask what would shift if the records of a whole cohort read differently.

    Parameters
    ----------
    atlas : Atlas
        Holds the cohort and the evidence; each patient's own tissue is left out
        of the answers unless the request says otherwise.
    model : TissueModel
        The model of the atlas; it reads the captions.
    request : CohortCounterfactualRequest
        The cohort, the edit and the settings.

    Returns
    -------
    CohortCounterfactualResult

    Raises
    ------
    HaikuError
        Another model, a field that the atlas does not have, fewer than two
        patients, a label with too few patients.

    Notes
    -----
    As published (Haiku, arXiv 2605.00925): per patch the fused retrieval under
    both captions, per patient the mean shift, per marker a signed-rank test and
    a bootstrap over patients. Those describe agreement between patients under
    one text edit. Whether the edit does more than irrelevant text is asked of
    the cohort's mean, with refitted text heads or placebo edits.
    """
    atlas.check_model(model)
    slides, notes = cohort_slides(atlas, model, request)
    weights = choose_weights(request.weights, DEFAULT_WEIGHTS, has_record=True)
    patients = tuple(sorted({one.patient for one in slides}))
    asking = CohortAsking(atlas, model, request, weights, marker_scale(atlas), slides, patients)
    read = yield from _read(asking)
    theta = asking.patient_means(read.shift)
    baseline = asking.patient_means(read.baseline)
    agreed = agreement(theta, seed=request.seed)
    drawn, low, high = yield from resampled_mean(asking, cohort_mean(theta))
    verdict, p, model_error, inference = yield from beyond_irrelevant_text(asking, theta, drawn)
    contrast = cohort_contrast(
        atlas, slides, asking.scale, fields_without_meaning(model.card), request.seed
    )
    classification = yield from _classified(asking, theta, baseline, agreed.kept)
    return CohortCounterfactualResult(
        edits=dict(request.edits),
        cohort=public_filter(request.cohort) or "",
        patients=tuple(_pseudonyms(atlas, slides, patients)),
        markers=tuple(atlas.markers),
        theta=theta,
        baseline=baseline,
        agreement=agreed,
        groups=group_shifts(theta[:, agreed.kept]),
        classification=classification,
        shifts=cohort_table(
            atlas.markers, baseline, theta, agreed, (low, high), drawn, p, model_error, verdict,
            contrast,
        ),
        whole_edit_p=verdict.whole_edit_p,
        inference=inference,
        patches=np.array(
            [sum(len(one.rows) for one in slides if one.patient == name) for name in patients]
        ),
        overlap=asking.patient_means(read.overlap[:, None])[:, 0],
        own_share=asking.patient_means(read.own[:, None])[:, 0],
        answering=asking.patient_means(read.answering[:, None])[:, 0],
        example=slides[0].captions,
        notes=tuple(notes),
        label="" if request.within_patient_um is None else SAME_PATIENT,
        provenance=_provenance(atlas, model, request, weights, slides),
    )  # fmt: skip


def _read(asking: CohortAsking) -> Job[_Readouts]:
    n, markers = len(asking.slides), len(asking.atlas.markers)
    baseline, shift = np.full((n, markers), np.nan), np.full((n, markers), np.nan)
    overlap, own, answering = (np.full(n, np.nan) for _ in range(3))
    _, number = patient_numbers(asking.atlas)
    for place, one in enumerate(asking.slides):
        yield Progress(place, n, "Comparing", "slides")
        texts = asking.model.encode_text(list(one.captions))
        reads, kept, mine, others = [], [], [], []
        gallery = asking.gallery(one)
        self_number = number[one.rows[0]]
        for found in rank_under_captions(
            asking.he(one), gallery, asking.weights, texts, asking.request.k
        ):
            reads.append(mean_of_chosen(found, asking.atlas.expression, asking.request.weighting))
            before, after = found.chosen
            kept.append((before & after).sum() / max(1, before.sum()))
            who = number[found.rows[after]]
            mine.append(float((who == self_number).mean()) if len(who) else np.nan)
            others.append(len(np.unique(who)))
        values = asking.scale.standardise(np.stack(reads))
        change = values[:, 1] - values[:, 0]
        known = np.isfinite(change)
        count = np.where(known.any(axis=0), known.sum(axis=0), np.nan)
        shift[place] = np.where(known, change, 0).sum(axis=0) / count
        baseline[place] = np.where(known, values[:, 0], 0).sum(axis=0) / count
        overlap[place], own[place], answering[place] = map(np.mean, (kept, mine, others))
    return _Readouts(baseline, shift, overlap, own, answering)


def _classified(
    asking: CohortAsking,
    theta: NDArray[np.float64],
    baseline: NDArray[np.float64],
    kept: NDArray[np.bool_],
) -> Job[Classification | None]:
    label = asking.request.label
    if label is None:
        return None
    field, positive, negative = label
    if field not in asking.atlas.fields:
        raise HaikuError(f'The atlas has no field "{field}" to tell patients apart by.')
    if not kept.any():
        raise HaikuError("No marker is known of enough patients to tell them apart by.")
    records = patient_records(asking.atlas.records, asking.atlas.fields)
    said = [records.values.loc[name, field] for name in asking.patients]
    group = np.array(
        [1 if same_value(v, positive) else 0 if same_value(v, negative) else -1 for v in said]
    )
    use = group >= 0
    return (
        yield from classify(
            theta[use][:, kept],
            baseline[use][:, kept],
            group[use] == 1,
            seed=asking.request.seed,
            permutations=asking.request.permutations,
        )
    )


def _pseudonyms(atlas: Atlas, slides: Sequence[CohortSlide], patients: Sequence[str]) -> list[str]:
    names = {one.patient: atlas.pseudonym_of(int(one.rows[0])) for one in slides}
    return [names[patient] for patient in patients]


def _provenance(
    atlas: Atlas,
    model: TissueModel,
    request: CohortCounterfactualRequest,
    weights: Mapping[str, float],
    slides: Sequence[CohortSlide],
) -> dict[str, Any]:
    return {
        "atlas": atlas.name,
        "atlas_patients": atlas.n_patients,
        "atlas_patches": atlas.n_patches,
        "model": model.name,
        "model_fingerprint": model.fingerprint,
        "cohort": public_filter(request.cohort),
        "cohort_slides": len(slides),
        "neighbours": request.k,
        "weights": dict(weights),
        "weighting": request.weighting,
        "within_patient_um": request.within_patient_um,
        "where": public_filter(request.where),
        "seed": request.seed,
        "resamples": request.resamples,
    }
