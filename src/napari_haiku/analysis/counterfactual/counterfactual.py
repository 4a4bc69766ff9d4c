"""Counterfactual: the same tissue retrieved under an edited clinical record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.biomarkers.marker_scale import MarkerScale, marker_scale
from napari_haiku.analysis.biomarkers.readout import mean_of_neighbours
from napari_haiku.analysis.counterfactual.counterfactual_result import CounterfactualResult
from napari_haiku.analysis.counterfactual.record_edit import RecordEdit, plan_edit
from napari_haiku.analysis.counterfactual.shift_inputs import ShiftInputs
from napari_haiku.analysis.counterfactual.shift_statistics import estimate_shifts
from napari_haiku.analysis.counterfactual.shift_table import shift_table
from napari_haiku.analysis.counterfactual.support import measure_support
from napari_haiku.analysis.niches.niches import NicheLabels, NicheResult, find_niches
from napari_haiku.analysis.retrieval.evidence import Evidence, evidence_for
from napari_haiku.analysis.retrieval.outside_atlas import OutsideCalibration, calibrate_outside
from napari_haiku.analysis.retrieval.public_filter import public_filter
from napari_haiku.analysis.retrieval.query_weights import choose_weights
from napari_haiku.analysis.retrieval.retrieval import SlideQuestion, chosen_rows, nobody_answers
from napari_haiku.analysis.statistics.atlas_patients import patient_of
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress
from napari_haiku.notices import SAME_PATIENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.atlas.store import Atlas
    from napari_haiku.clinical import Record
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.model.base import TissueModel

__all__ = ["CounterfactualRequest", "CounterfactualResult", "run_counterfactual"]

DEFAULT_WEIGHTS = {"he": 0.6, "text": 0.4}
_NICHES = 4
_LEAST_FOR_NICHES = 40


@dataclass(frozen=True)
class CounterfactualRequest:
    """What is asked.

    Parameters
    ----------
    edits : dict of str to str
        Field to new value.
    record : dict of str to str, optional
        The baseline; by default the record that the slide was encoded with.
    k : int
        Neighbours behind each patch.
    weights : mapping, optional
        How much H&E and record count; by default 0.6 and 0.4.
    within_patient_um : float, optional
        Let the same patient answer from patches at least so far away, um.
    where : str, optional
        Filter over the atlas.
    seed : int
        Seed of everything drawn.
    resamples : int
        Resampled atlases behind the intervals; 0 leaves intervals out.
    placebo : bool
        Whether p, placebo edits and other wordings are computed; the quick view
        leaves them out.
    rows : ndarray or slice, optional
        Patches asked about; all by default.
    """

    edits: Record
    record: Record | None = None
    k: int = 50
    weights: Mapping[str, float] | None = None
    within_patient_um: float | None = None
    where: str | None = None
    seed: int = 0
    resamples: int = 500
    placebo: bool = True
    rows: NDArray[Any] | slice | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise HaikuError(f"The number of neighbours must be at least 1, not {self.k}.")
        if self.resamples < 0 or self.seed < 0:
            raise HaikuError("The seed and the number of resamples must be 0 or more.")


def run_counterfactual(
    encoding: Encoding,
    atlas: Atlas,
    model: TissueModel,
    request: CounterfactualRequest,
    niches: NicheResult | NicheLabels | None = None,
    *,
    calibration: OutsideCalibration | None = None,
) -> Job[CounterfactualResult]:
    """Ask what would shift if the clinical record read differently.

    Parameters
    ----------
    encoding : Encoding
        The slide.
    atlas : Atlas
        The evidence; the slide's own patient is left out unless the request
        says otherwise.
    model : TissueModel
        The model of both; it reads the captions.
    request : CounterfactualRequest
        The edit and the settings.
    niches : NicheResult or NicheLabels, optional
        Niches of all patches of the encoding (of a result, its first slide).
        By default four are found on the H&E.
    calibration : OutsideCalibration, optional
        From an earlier run with the same atlas, gap and filter.

    Returns
    -------
    CounterfactualResult

    Raises
    ------
    HaikuError
        Another model, no record, a field or value that the atlas cannot speak
        to, an edit that changes nothing, nobody to answer.

    Notes
    -----
    Fusion retrieval as in Haiku (arXiv 2605.00925): w_he cos(H&E) + w_text
    cos(text), the best k mIF patches, their mean. What it estimates, and which
    tests hold, is told in the documentation of counterfactuals: sign and order
    of the shifts can be read, their size is set by k and the weights.
    """
    encoding.check_model(model)
    atlas.check_model(model)
    rows = chosen_rows(encoding.n_patches, request.rows)
    evidence = evidence_for(
        encoding, atlas, within_patient_um=request.within_patient_um, where=request.where
    )
    record = encoding.record if request.record is None else request.record
    edit = plan_edit(evidence.records, record, request.edits)
    texts = _read_captions(model, edit)
    weights = choose_weights(request.weights, DEFAULT_WEIGHTS, has_record=True)
    question = SlideQuestion.of(
        encoding, atlas, rows, within_patient_um=request.within_patient_um, where=request.where
    )
    labels = yield from _niches_of(encoding, rows, niches, request.seed)
    if calibration is None:
        calibration = yield from calibrate_outside(
            atlas, within_patient_um=request.within_patient_um, where=request.where
        )
    before, after, best_he = yield from _retrieve(question, weights, texts, request.k)
    if not (before >= 0).any():
        raise nobody_answers(atlas, request.within_patient_um)
    scale = marker_scale(atlas)
    baseline, counterfactual = (
        scale.standardise(mean_of_neighbours(atlas.expression, found)) for found in (before, after)
    )
    carry = _carry_all(evidence, edit)
    estimates = yield from estimate_shifts(
        ShiftInputs(
            question=question,
            weights=weights,
            texts=texts,
            evidence=evidence,
            others=evidence_for(encoding, atlas, within_patient_um=None, where=request.where),
            edit=edit,
            model=model,
            scale=scale,
            labels=labels,
            baseline=baseline,
            counterfactual=counterfactual,
            k=request.k,
            resamples=request.resamples,
            placebo=request.placebo,
            seed=request.seed,
        )
    )
    return CounterfactualResult(
        edit=edit,
        rows=rows,
        centres_um=question.positions_um,
        markers=tuple(atlas.markers),
        baseline=baseline.astype(np.float32),
        counterfactual=counterfactual.astype(np.float32),
        shift=(counterfactual - baseline).astype(np.float32),
        niches=labels,
        shifts=shift_table(estimates.figures, labels.names, atlas.markers),
        support=measure_support(before, after, evidence.number, carry),
        neighbours_before=before,
        neighbours_after=after,
        outside_atlas=calibration.outside(best_he),
        whole_edit_p=estimates.whole_edit_p,
        inference=estimates.inference,
        adjusted_for=estimates.adjusted_for,
        notes=(
            *_text_notes(model, edit),
            *_scale_notes(atlas, scale),
            *_overlap_notes(atlas, model),
            *estimates.notes,
        ),
        label="" if request.within_patient_um is None else SAME_PATIENT,
        provenance=_provenance(encoding, atlas, model, request, weights),
        weak_placebo=estimates.weak_placebo,
    )


def _read_captions(model: TissueModel, edit: RecordEdit) -> NDArray[np.float32]:
    texts = model.encode_text([edit.baseline_caption, edit.edited_caption])
    if np.array_equal(texts[0], texts[1]):
        raise HaikuError(
            f"The model {model.name} reads the edited record exactly as the unedited one, so the "
            "edit changes nothing: choose a value that it knows."
        )
    return texts


def _niches_of(
    encoding: Encoding,
    rows: NDArray[np.int64],
    niches: NicheResult | NicheLabels | None,
    seed: int,
) -> Job[NicheLabels]:
    if niches is None and encoding.n_patches < _LEAST_FOR_NICHES:
        return NicheLabels(np.ones(len(rows), np.int64), {1: "All tissue"})
    if niches is None:
        niches = yield from find_niches(
            [encoding], clusters=_NICHES, modality="he", smooth=False, seed=seed
        )
    given = niches.of(0) if isinstance(niches, NicheResult) else niches
    if len(given.labels) != encoding.n_patches:
        raise HaikuError(
            f"The niches are of {len(given.labels):,} patches but the slide has "
            f"{encoding.n_patches:,}: find niches for this slide."
        )
    labels = np.asarray(given.labels, np.int64)[rows]
    names = {
        int(number): given.names.get(int(number), f"Niche {number}")
        for number in np.unique(labels[labels > 0])
    }
    if not names:
        raise HaikuError("None of the patches asked about belongs to a niche: find niches again.")
    return NicheLabels(labels, names)


def _retrieve(
    question: SlideQuestion, weights: Mapping[str, float], texts: NDArray[np.float32], k: int
) -> Job[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    before, after, best = [], [], []
    for part in question.blocks():
        yield Progress(part.start, len(question), "Comparing")
        before.append(question.ask(part, weights, texts[0], k).indices)
        after.append(question.ask(part, weights, texts[1], k).indices)
        best.append(question.ask(part, {"he": 1.0}, None, 1).similarity[:, 0])
    return np.concatenate(before), np.concatenate(after), np.concatenate(best)


def _carry_all(evidence: Evidence, edit: RecordEdit) -> NDArray[np.bool_]:
    carry = np.ones(evidence.n_patients, bool)
    for field, value in edit.after.items():
        carry &= evidence.records.carry(field, value, against=edit.before[field])
    return carry


def _text_notes(model: TissueModel, edit: RecordEdit) -> list[str]:
    unknown = model.unknown_words(edit.edited_caption)
    if not unknown:
        return []
    words = ", ".join(f'"{word}"' for word in unknown)
    return [f"The model has never read {words}; such words are ignored."]


def _scale_notes(atlas: Atlas, scale: MarkerScale) -> list[str]:
    flat = [
        marker
        for marker, spread in zip(atlas.markers, scale.sd, strict=True)
        if not np.isfinite(spread)
    ]
    if not flat:
        return []
    return [f"{', '.join(flat)} does not vary in this atlas; its shift is not estimable."]


def _overlap_notes(atlas: Atlas, model: TissueModel) -> list[str]:
    trained = {image["fingerprint"] for image in model.card.get("training_images") or ()}
    images = atlas.slides[["he_fingerprint", "mif_fingerprint"]]
    both = int(images.isin(trained).any(axis=1).sum())
    if not both:
        return []
    said = (
        f"{both} of the atlas's {len(images)} slides were in the model's training; p takes atlas "
        "and training patients for different ones and is too small where they are the same."
    )
    return [said]


def _provenance(
    encoding: Encoding,
    atlas: Atlas,
    model: TissueModel,
    request: CounterfactualRequest,
    weights: Mapping[str, float],
) -> dict[str, Any]:
    own = (atlas.slides["patient_id"] == patient_of(encoding)).any()
    return {
        "atlas": atlas.name,
        "atlas_patients": atlas.n_patients,
        "atlas_patches": atlas.n_patches,
        "own_patient_in_atlas": bool(own),
        "model": model.name,
        "model_fingerprint": model.fingerprint,
        "neighbours": request.k,
        "weights": dict(weights),
        "within_patient_um": request.within_patient_um,
        "where": public_filter(request.where),
        "seed": request.seed,
        "resamples": request.resamples,
    }
