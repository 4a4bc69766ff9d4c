"""What heads on whole patients read: bags of patches by kind of vector."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.counterfactual.record_fields import patient_records
from napari_haiku.analysis.outcome.mil_bags import Bags
from napari_haiku.analysis.outcome.record_columns import RecordColumns
from napari_haiku.analysis.statistics.atlas_patients import patient_numbers
from napari_haiku.errors import HaikuError
from napari_haiku.evaluation.hand_made import features_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_haiku.clinical import Record
    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.jobs import Job

JOINT = "he+mif"
RECORD = "record"
BASELINES = ("random", "hand_made", "markers", RECORD)
# Fields of the record, written without gaps, that are known when the tissue is taken. Others may
# tell how it ended, and stay out.
_KNOWN_EARLY = frozenset(
    {"age", "sex", "gender", "smoking", "tissuetype", "tissue", "disease", "diagnosis", "type"}
    | {"grade", "stage", "tnm", "treatment"}
)
# An input that more patients lack is left out, rather than the patients.
_NEEDED_SHARE = 0.8
_RANDOM_DIM = 64


@dataclass(frozen=True)
class PatientInputs:
    """Vectors of the evaluated patches by input, and whose they are.

    Parameters
    ----------
    vectors : dict of str to ndarray of float32, shape (n, d)
        By input: "he", "mif", "he+mif", and the baselines.
    has : dict of str to ndarray of bool, shape (n,)
        Patches that have it.
    patient : ndarray of int64, shape (n,)
        Patient of each patch, numbered in the order of their ids.
    """

    vectors: dict[str, NDArray[np.float32]]
    has: dict[str, NDArray[np.bool_]]
    patient: NDArray[np.int64]

    @property
    def images(self) -> tuple[str, ...]:
        """Inputs that come from the model's image towers."""
        return tuple(name for name in self.vectors if name not in BASELINES)

    def with_patches(self, name: str, patients: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some patients have at least one patch of an input."""
        found: NDArray[np.bool_] = np.isin(patients, self.patient[self.has[name]])
        return found

    def bags(self, name: str, patients: NDArray[np.int64]) -> Bags:
        """One bag a patient, in the order given."""
        place = np.full(int(max(self.patient.max(), patients.max())) + 1, -1, np.int64)
        place[patients] = np.arange(len(patients))
        of = np.where(self.has[name], place[self.patient], -1)
        return Bags.gather(self.vectors[name], of, len(patients))


def image_inputs(cohort: EvaluationCohort) -> PatientInputs:
    """Take the image vectors of an atlas; captions carry the outcome and stay out."""
    atlas, rows = cohort.atlas, cohort.chosen
    images: list[str] = [name for name in ("he", "mif") if name in atlas.modalities]
    if not images:
        raise HaikuError(f"The atlas {atlas.name} holds no vectors of images.")
    vectors = {name: np.asarray(atlas.embeddings(name)[rows], np.float32) for name in images}
    has = {name: atlas.has(name)[rows] for name in images}
    if len(images) == 2:
        vectors[JOINT] = np.hstack([vectors["he"], vectors["mif"]])
        has[JOINT] = has["he"] & has["mif"]
    return PatientInputs(vectors, has, patient_numbers(atlas)[1][rows])


def add_baselines(
    cohort: EvaluationCohort,
    request: EvaluateRequest,
    inputs: PatientInputs,
    markers: tuple[str, ...],
) -> Job[PatientInputs]:
    """Add random vectors, hand-made H&E features and the measured markers.

    H&E features are those of the atlas's small pictures: the same measure on
    both cohorts, without reading the slides again.
    """
    vectors, has = dict(inputs.vectors), dict(inputs.has)
    n = len(inputs.patient)
    rng = np.random.default_rng([request.seed, 11, n])
    vectors["random"] = rng.standard_normal((n, _RANDOM_DIM)).astype(np.float32)
    has["random"] = np.ones(n, bool)
    if "he" in cohort.atlas.description["thumbnails"]:
        measured = yield from features_of(replace(cohort, manifest=None), request)
        if measured is not None:
            there = np.asarray(np.isfinite(measured[0]).all(axis=1))
            vectors["hand_made"] = np.where(there[:, None], measured[0], 0).astype(np.float32)
            has["hand_made"] = there
    if markers:
        columns = [cohort.atlas.markers.index(name) for name in markers]
        light = np.asarray(cohort.atlas.expression[cohort.chosen], np.float32)[:, columns]
        there = np.asarray(np.isfinite(light).all(axis=1))
        vectors["markers"] = np.log1p(np.where(there[:, None], np.maximum(light, 0), 0))
        has["markers"] = there
    return PatientInputs(vectors, has, inputs.patient)


def early_fields(
    learned: EvaluationCohort, test: EvaluationCohort, outcome: Sequence[str]
) -> RecordColumns:
    """Learn the columns of those fields of the record that are known when tissue is taken.

    Only of fields that both cohorts have; those of the outcome are never among
    them, whatever their names.
    """
    shared = set(test.atlas.fields) - set(outcome)
    usable = [f for f in learned.atlas.fields if f in shared]
    named = [f for f in usable if re.sub(r"[\W_]+", "", f.casefold()) in _KNOWN_EARLY]
    return RecordColumns.learn(_records(learned, named), named)


def add_record(
    cohort: EvaluationCohort, inputs: PatientInputs, columns: RecordColumns
) -> PatientInputs:
    """Add the record to every patch of its patient; what is not known counts as the mean."""
    if not columns.width:
        return inputs
    of_patient = np.nan_to_num(columns.of(_records(cohort, columns.fields)))
    vectors = dict(inputs.vectors) | {RECORD: of_patient[inputs.patient]}
    # A patient without a record has it too: all of it the mean.
    has = dict(inputs.has) | {RECORD: np.ones(len(inputs.patient), bool)}
    return PatientInputs(vectors, has, inputs.patient)


def _records(cohort: EvaluationCohort, fields: Sequence[str]) -> list[Record]:
    values = patient_records(cohort.records, list(fields)).values
    return [{str(k): str(v) for k, v in row.items()} for row in values.to_dict("records")]


def shared_markers(*cohorts: EvaluationCohort) -> tuple[str, ...]:
    """Markers that every patch with mIF of every cohort measured."""
    kept: list[str] = []
    for number, cohort in enumerate(cohorts):
        if "mif" not in cohort.atlas.modalities:
            return ()
        rows = cohort.chosen[cohort.atlas.has("mif")[cohort.chosen]]
        known = np.asarray(np.isfinite(cohort.atlas.expression[rows]).all(axis=0))
        here = [name for name, there in zip(cohort.atlas.markers, known, strict=True) if there]
        kept = here if not number else [name for name in kept if name in here]
    return tuple(kept)


def usable(
    inputs: PatientInputs, patients: NDArray[np.int64]
) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Choose the inputs that most patients have, and the patients that have all of those.

    Raises
    ------
    HaikuError
        No input is had by most patients.
    """
    there = {name: inputs.with_patches(name, patients) for name in inputs.vectors}
    kept = tuple(name for name, found in there.items() if found.mean() >= _NEEDED_SHARE)
    if not set(kept) & set(inputs.images):
        raise HaikuError(
            f"Neither H&E nor mIF is there for {_NEEDED_SHARE:.0%} of the {len(patients)} patients "
            "with an outcome: heads need one kind of image for most of them."
        )
    whole: NDArray[np.bool_] = np.logical_and.reduce([there[name] for name in kept])
    return kept, whole


def on_same_scale(first: PatientInputs, second: PatientInputs) -> None:
    """Keep what both cohorts have; hand-made features and markers get the first one's scale."""
    for name in set(first.vectors) ^ set(second.vectors):
        for inputs in (first, second):
            inputs.vectors.pop(name, None)
    for name in ("hand_made", "markers"):
        if name in first.vectors and name in second.vectors:
            known = first.vectors[name][first.has[name]]
            centre, spread = known.mean(axis=0), known.std(axis=0)
            spread = np.where(spread > 0, spread, 1)
            for inputs in (first, second) if first is not second else (first,):
                scaled = (inputs.vectors[name] - centre) / spread
                inputs.vectors[name] = scaled.astype(np.float32)
