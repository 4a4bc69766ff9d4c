"""Task: does the tissue prefer the right record to one with a field flipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.counterfactual.idle_fields import fields_without_meaning
from napari_haiku.analysis.counterfactual.record_fields import as_number, patient_records
from napari_haiku.clinical import caption, public_record
from napari_haiku.errors import HaikuError
from napari_haiku.evaluation.counterfactual import read_truth
from napari_haiku.evaluation.counterfactual_bench import true_edits
from napari_haiku.evaluation.figures import Figure
from napari_haiku.evaluation.resampling import PatientResampling
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_haiku.analysis.counterfactual.record_fields import PatientRecords
    from napari_haiku.clinical import Record
    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.model.base import TissueModel

_FLIPS = 8


def run(cohort: EvaluationCohort, request: EvaluateRequest) -> Job[dict[str, Any]]:
    """Compare each patient's mean H&E vector with the right record and with flipped ones.

    One field at a time is set to other values that the cohort holds; half a
    point is given where both records read alike.

    Parameters
    ----------
    cohort : EvaluationCohort
        Where the truth is known, fields with a true effect make the headline;
        without it, every field that is not known to mean nothing.
    request : EvaluateRequest
        Seed and resamples.

    Raises
    ------
    HaikuError
        No H&E, no records, or no field to flip.
    """
    model = cohort.require_model()
    atlas = cohort.atlas
    atlas.require_modality("he")
    records = patient_records(atlas.records, atlas.fields)
    vectors = _mean_vectors(cohort, records)
    neutral = set(fields_without_meaning(model.card))
    fields = [name for name in records.fields if records.values[name].nunique() > 1]
    meaning = [name for name in _with_effect(cohort, fields) if name not in neutral]
    scores: dict[str, NDArray[np.float64]] = {}
    for done, field in enumerate(fields):
        yield Progress(done, len(fields), "Flipping fields", "fields")
        scores[field] = flip_scores(model, records, vectors, field, request.seed)
    told = [name for name in meaning if np.isfinite(scores[name]).any()]
    if not told:
        raise HaikuError("No field of these records can be flipped: the cohort has one value each.")
    headline = _figure(scores, told, request)
    note = "Right record against the record with one field flipped; fields with a true effect."
    out: dict[str, Any] = Figure(headline.value, headline.ci, headline.n, 0.5, note).to_json() | {
        "by_field": {name: _figure(scores, [name], request) for name in told}
    }
    apart = [name for name in fields if name in neutral and np.isfinite(scores[name]).any()]
    if apart:
        out["placebo"] = _figure(scores, apart, request)
    return out


def flip_scores(
    model: TissueModel,
    records: PatientRecords,
    vectors: NDArray[np.float32],
    field: str,
    seed: int,
) -> NDArray[np.float64]:
    """Share of flips of one field that each patient's tissue likes less than the right record.

    Returns
    -------
    ndarray of float64, shape (patients,)
        NaN for patients without the field or without H&E.
    """
    rng = np.random.default_rng([seed, *field.encode()])
    said: list[tuple[int, list[str]]] = []
    for patient in range(len(records.patients)):
        record = _record(records, patient)
        if field not in record or not np.isfinite(vectors[patient]).all():
            continue
        others = _others(records, field, record[field])
        others = [others[place] for place in rng.permutation(len(others))[:_FLIPS]]
        if others:
            flipped = [caption({**record, field: other}) for other in others]
            said.append((patient, [caption(record), *flipped]))
    scores = np.full(len(records.patients), np.nan)
    words = list(dict.fromkeys(text for _, texts in said for text in texts))
    if not words:
        return scores
    read = dict(zip(words, model.encode_text(words), strict=True))
    for patient, texts in said:
        like = np.stack([read[text] for text in texts]) @ vectors[patient]
        better = (like[0] > like[1:]) + 0.5 * (like[0] == like[1:])
        scores[patient] = better.mean()
    return scores


def _with_effect(cohort: EvaluationCohort, fields: Sequence[str]) -> list[str]:
    if cohort.simulation_folder is not None:
        from napari_haiku.simulation.truth_edits import fields_with_effect

        real = set(fields_with_effect())
        return [name for name in fields if name in real]
    if cohort.truth is None:
        return list(fields)
    edits = true_edits(read_truth(cohort.truth))
    real = {name for edit in edits if (edit.rows["role"] == "real").any() for name in edit.before}
    return [name for name in fields if name in real]


def _others(records: PatientRecords, field: str, value: str) -> list[str]:
    """Other values of a field: every other level, or the far half of a scale."""
    values = sorted({str(entry) for entry in records.values[field] if entry})
    if not records.is_scale(field):
        return [entry for entry in values if entry != value]
    numbers = np.array([as_number(entry) for entry in values])
    middle = float(np.median(numbers))
    far = numbers > middle if as_number(value) <= middle else numbers <= middle
    return [entry for entry, keep in zip(values, far, strict=True) if keep]


def _record(records: PatientRecords, patient: int) -> Record:
    row = records.values.iloc[patient]
    return public_record({str(name): str(value) for name, value in row.items()})


def _mean_vectors(cohort: EvaluationCohort, records: PatientRecords) -> NDArray[np.float32]:
    """Average each patient's H&E vectors to a unit vector, NaN without any."""
    atlas = cohort.atlas
    number = {name: place for place, name in enumerate(records.patients)}
    of_slide = np.array([number[name] for name in atlas.slides["patient_id"].astype(str)])
    rows = cohort.chosen[atlas.has("he")[cohort.chosen]]
    total = np.zeros((len(records.patients), atlas.dim))
    np.add.at(total, of_slide[atlas.slide_index[rows]], np.asarray(atlas.embeddings("he")[rows]))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return (total / np.where(length > 0, length, np.nan)).astype(np.float32)


def _figure(
    scores: dict[str, NDArray[np.float64]], fields: Sequence[str], request: EvaluateRequest
) -> Figure:
    values = np.concatenate([scores[name] for name in fields])
    patients = np.tile(np.arange(len(scores[fields[0]])), len(fields))
    known = np.isfinite(values)
    resampling = PatientResampling(patients[known], seed=request.seed, resamples=request.resamples)
    return resampling.mean(values[known], chance=0.5)
