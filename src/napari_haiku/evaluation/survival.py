"""Survival from image vectors: C-index, Kaplan-Meier, against the oracle and plain baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_haiku.analysis.counterfactual.record_fields import patient_records
from napari_haiku.analysis.outcome.mil import METHODS
from napari_haiku.analysis.outcome.mil_targets import SurvivalTarget
from napari_haiku.analysis.outcome.survival_concordance import concordance
from napari_haiku.analysis.outcome.survival_curves import kaplan_meier, log_rank
from napari_haiku.analysis.outcome.survival_times import STATUS_FIELD, TIME_FIELD, read_survival
from napari_haiku.analysis.statistics.atlas_patients import patient_numbers
from napari_haiku.errors import HaikuError
from napari_haiku.evaluation.figures import Figure
from napari_haiku.evaluation.mil_inputs import (
    BASELINES,
    RECORD,
    add_baselines,
    add_record,
    early_fields,
    image_inputs,
    on_same_scale,
    shared_markers,
    usable,
)
from napari_haiku.evaluation.mil_selection import STACKED, fit_and_test, nested

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_haiku.analysis.outcome.record_columns import RecordColumns
    from napari_haiku.analysis.outcome.survival_times import SurvivalTimes
    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.mil_inputs import PatientInputs
    from napari_haiku.evaluation.mil_selection import Predictions
    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.jobs import Job

IMAGES, WITH_RECORD = "images", "images and record"
TRUE_HAZARDS = "patients.parquet"
MIN_PATIENTS = 25
MIN_DEATHS = 10
CHANCE = 0.5


@dataclass(frozen=True)
class Outcomes:
    """Patients with survival and vectors.

    Parameters
    ----------
    patients : ndarray of int64, shape (n,)
        Their numbers in the cohort.
    times : SurvivalTimes
        Their follow-up.
    inputs : PatientInputs
        Vectors of the cohort's patches.
    """

    patients: NDArray[np.int64]
    times: SurvivalTimes
    inputs: PatientInputs

    def of(self, kept: NDArray[np.bool_]) -> Outcomes:
        """Return some of the patients."""
        return Outcomes(self.patients[kept], self.times.of(kept), self.inputs)


def run(cohort: EvaluationCohort, request: EvaluateRequest) -> Job[dict[str, Any]]:
    """Measure how well heads on image vectors rank patients by survival.

    Heads are fitted on `cohort.fit` where there is one and tested on every
    patient of `cohort`; else on folds of patients, tuned inside each fold.
    Captions, which tell the outcome, are no input; what the record knew when the
    tissue was taken (age, stage ...) joins the images in the last stack.

    Raises
    ------
    HaikuError
        A survival column cannot be read, or too few patients or deaths.
    """
    markers = shared_markers(*(part for part in (cohort, cohort.fit) if part is not None))
    columns = early_fields(cohort.fit or cohort, cohort, _outcome_fields(request))
    test = yield from _outcomes(cohort, request, markers, columns)
    fit = None
    if cohort.fit is not None:
        fit = yield from _outcomes(cohort.fit, request, markers, columns)
    learned = test if fit is None else fit
    on_same_scale(learned.inputs, test.inputs)
    names, whole = usable(learned.inputs, learned.patients)
    learned = learned.of(whole)
    there = [test.inputs.with_patches(name, test.patients) for name in names]
    left_out = int((~np.logical_and.reduce(there)).sum())
    test = test.of(np.logical_and.reduce(there))
    _require(learned.times, "fitted on")
    bags = {name: test.inputs.bags(name, test.patients) for name in names}
    images = tuple(name for name in names if name not in BASELINES)
    stacks = {IMAGES: images}
    if RECORD in names:
        stacks[WITH_RECORD] = (*images, RECORD)
    if fit is None:
        found = yield from nested(
            bags,
            SurvivalTarget(test.times),
            methods=METHODS,
            stacks=stacks,
            seed=request.seed,
        )
    else:
        found = yield from fit_and_test(
            {name: learned.inputs.bags(name, learned.patients) for name in names},
            SurvivalTarget(learned.times),
            bags,
            methods=METHODS,
            stacks=stacks,
            seed=request.seed,
        )
    out = _figures(found, test.times, request, names, columns)
    oracle = _oracle(cohort, test, request)
    if oracle is not None:
        out["oracle_c_index"] = oracle
    out["kaplan_meier"] = _split(found, test.times)
    out["patients_fitted_on"] = len(learned.times)
    out["deaths"] = test.times.n_events
    out["patients_without_outcome"] = test.times.n_missing
    out["patients_without_image"] = left_out
    return out


def _outcomes(
    cohort: EvaluationCohort,
    request: EvaluateRequest,
    markers: tuple[str, ...],
    columns: RecordColumns,
) -> Job[Outcomes]:
    time, status = _outcome_fields(request)
    absent = [name for name in (time, status) if name not in cohort.atlas.fields]
    if absent:
        raise HaikuError(
            f"The records of {cohort.atlas.name} have no field '{absent[0]}': name the survival "
            "columns with --time and --event (or --censor)."
        )
    values = patient_records(cohort.records, [time, status]).values
    times = read_survival(
        values.reset_index(drop=True),
        time=time,
        event=request.event,
        censor=request.censor,
        name=cohort.atlas.name,
    )
    inputs = yield from add_baselines(cohort, request, image_inputs(cohort), markers)
    inputs = add_record(cohort, inputs, columns)
    present = np.isin(times.rows, inputs.patient)
    return Outcomes(times.rows[present], times.of(present), inputs)


def _outcome_fields(request: EvaluateRequest) -> tuple[str, str]:
    return request.time or TIME_FIELD, request.censor or request.event or STATUS_FIELD


def _require(times: SurvivalTimes, doing: str) -> None:
    if len(times) < MIN_PATIENTS or times.n_events < MIN_DEATHS:
        raise HaikuError(
            f"{len(times)} patients with {times.n_events} deaths are too few to be {doing}: "
            f"survival needs at least {MIN_PATIENTS} patients and {MIN_DEATHS} deaths."
        )


def _figures(
    found: Predictions,
    times: SurvivalTimes,
    request: EvaluateRequest,
    names: tuple[str, ...],
    columns: RecordColumns,
) -> dict[str, Any]:
    def figure(scores: NDArray[np.float64], note: str = "") -> Figure:
        return _concordance(times, scores[:, 0], request, note, found.strata)

    inner = [found.inner[pair][place] for place, pair in enumerate(found.chosen)]
    fields = ", ".join(columns.fields)
    notes = _BASELINE_NOTES | {
        RECORD: f"The record alone, as it was when the tissue was taken ({fields}), under the same "
        "heads and tuning."
    }
    summed = "all linear heads on images"
    if RECORD in names:
        summed += f" and on the record as it was when the tissue was taken ({fields})"
    how = "nested folds of patients" if found.strata is not None else "folds of the fit cohort"
    out: dict[str, Any] = {
        "c_index": figure(
            found.best,
            f"Sum of {summed}, weighted by a Cox regression on their held-out scores on {how} "
            f"(C-index {np.mean(inner):.3f} there), without the patients tested.",
        ),
        "inputs": {
            name: figure(found.by_input[name], "Method chosen on the patients fitted on.")
            for name in names
            if name not in BASELINES
        },
        "methods": {},
        "baselines": {
            name: figure(found.by_input[name], notes[name]) for name in BASELINES if name in names
        },
    }
    for (name, method), scores in found.scores.items():
        if method == STACKED:
            out["inputs"][name] = figure(scores, "Sum of all linear heads on these.")
        elif name not in BASELINES:
            quality = float(np.mean(found.inner[name, method]))
            note = f"C-index on {how}: {quality:.3f}."
            out["methods"].setdefault(name, {})[method] = figure(scores, note)
    return out


_BASELINE_NOTES = {
    "random": "Random vectors under the same heads and tuning.",
    "hand_made": "23 H&E colour and texture features under the same heads and tuning.",
    "markers": "Measured mean intensities of the markers under the same heads and tuning.",
}


def _concordance(
    times: SurvivalTimes,
    risk: NDArray[np.float64],
    request: EvaluateRequest,
    note: str,
    strata: NDArray[np.int64] | None,
) -> Figure:
    got = concordance(times, risk, strata=strata, resamples=request.resamples, seed=request.seed)
    if not np.isfinite(got.value):
        return Figure(None, None, got.n, CHANCE, "No pair of patients is comparable.")
    return Figure(got.value, (got.ci_low, got.ci_high), got.n, CHANCE, note)


def _oracle(cohort: EvaluationCohort, test: Outcomes, request: EvaluateRequest) -> Figure | None:
    """C-index of the true log hazard of virtual patients, on the same patients."""
    if cohort.manifest_folder is None:
        return None
    hazard = _true_hazards(cohort, cohort.manifest_folder / TRUE_HAZARDS)
    if hazard is None:
        return None
    note = "The simulator's own log hazard on the same patients and censoring."
    return _concordance(test.times, hazard[test.patients], request, note, None)


def _true_hazards(cohort: EvaluationCohort, file: Path) -> NDArray[np.float64] | None:
    if not file.is_file():
        return None
    try:
        table = pd.read_parquet(file, columns=["slide_id", "log_hazard"])
    except (OSError, ValueError, KeyError) as error:
        raise HaikuError(
            f"{file.name} beside the manifest cannot be read as the true hazards of a virtual "
            "cohort: simulate it again, or move the file away."
        ) from error
    known = table.set_index("slide_id")["log_hazard"]
    slides, patients = cohort.slides["slide_id"], patient_numbers(cohort.atlas)[1]
    if not slides.isin(known.index).all():
        return None
    hazard = np.full(int(patients.max()) + 1, np.nan)
    starts = np.cumsum(cohort.slides["n_patches"]) - cohort.slides["n_patches"]
    hazard[patients[starts.to_numpy(np.int64)]] = known.loc[slides].to_numpy(np.float64)
    return hazard


def _split(found: Predictions, times: SurvivalTimes) -> dict[str, Any]:
    """Kaplan-Meier curves of high and low risk, split at the median of those fitted on."""
    high = found.best[:, 0] > 0
    out: dict[str, Any] = {"split": "median risk of the patients fitted on"}
    for name, group in (("high_risk", high), ("low_risk", ~high)):
        part = times.of(group)
        curve = kaplan_meier(part) if len(part) else None
        out[name] = {
            "patients": len(part),
            "deaths": part.n_events,
            "median": None if curve is None else curve.median,
            "time": [] if curve is None else curve.time,
            "survival": [] if curve is None else curve.survival,
            "ci_low": [] if curve is None else curve.ci_low,
            "ci_high": [] if curve is None else curve.ci_high,
        }
    one_sided = high.all() or not high.any()
    out["log_rank_p"] = Figure(
        None if one_sided else log_rank(times, high).p,
        None,
        len(times),
        None,
        "All patients fall on one side of the median." if one_sided else "High against low risk.",
    )
    return out
