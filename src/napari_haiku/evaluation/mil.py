"""Classification of whole patients from the bag of their patches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.counterfactual.record_fields import patient_records
from napari_haiku.analysis.outcome.mil import METHODS
from napari_haiku.analysis.outcome.mil_targets import ClassTarget, auroc
from napari_haiku.errors import HaikuError
from napari_haiku.evaluation.figures import Figure
from napari_haiku.evaluation.labels import label_fields
from napari_haiku.evaluation.mil_inputs import (
    BASELINES,
    JOINT,
    add_baselines,
    image_inputs,
    on_same_scale,
    shared_markers,
    usable,
)
from napari_haiku.evaluation.mil_selection import fit_and_test, nested
from napari_haiku.evaluation.resampling import PatientResampling
from napari_haiku.evaluation.votes import class_figures

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.mil_inputs import PatientInputs
    from napari_haiku.evaluation.mil_selection import Predictions
    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.jobs import Job

MIN_PER_CLASS = 10


@dataclass(frozen=True)
class PatientClasses:
    """Patients of one cohort with the class of one field.

    Parameters
    ----------
    patients : ndarray of int64, shape (n,)
        Their numbers.
    labels : ndarray of int64, shape (n,)
        Class of each.
    """

    patients: NDArray[np.int64]
    labels: NDArray[np.int64]

    def of(self, kept: NDArray[np.bool_]) -> PatientClasses:
        """Return some of the patients."""
        return PatientClasses(self.patients[kept], self.labels[kept])


def run(cohort: EvaluationCohort, request: EvaluateRequest) -> Job[dict[str, Any]]:
    """Measure field -> AUROC, AUPRC and balanced accuracy, baselines beside.

    Fields are those asked for, else every field of the records with at least
    two classes of ten patients. Heads read image vectors only, are fitted on
    `cohort.fit` where there is one, else on the other folds of patients.

    Raises
    ------
    HaikuError
        No field has two classes of ten patients.
    """
    learned_from = cohort if cohort.fit is None else cohort.fit
    fields = {field.name: field.classes for field in label_fields(learned_from, request)}
    kept = {name: _common(learned_from, name, classes) for name, classes in fields.items()}
    kept = {name: classes for name, classes in kept.items() if len(classes) > 1}
    if not kept:
        raise HaikuError(
            f"No field among {', '.join(fields)} has two classes of at least {MIN_PER_CLASS} "
            "patients to learn from: give more patients."
        )
    markers = shared_markers(*(part for part in (cohort, cohort.fit) if part is not None))
    test = yield from add_baselines(cohort, request, image_inputs(cohort), markers)
    learned = test
    if cohort.fit is not None:
        learned = yield from add_baselines(cohort.fit, request, image_inputs(cohort.fit), markers)
    on_same_scale(learned, test)
    out: dict[str, Any] = {}
    for name, classes in kept.items():
        out[name] = yield from _field(cohort, request, learned, test, name, classes)
    return out


def _field(
    cohort: EvaluationCohort,
    request: EvaluateRequest,
    learned: PatientInputs,
    test: PatientInputs,
    field: str,
    classes: tuple[str, ...],
) -> Job[dict[str, Any]]:
    asked = _classes(cohort, field, classes)
    source = asked if cohort.fit is None else _classes(cohort.fit, field, classes)
    source = source.of(np.isin(source.patients, learned.patient))
    names, whole = usable(learned, source.patients)
    # One set of images is enough for a class: both where there are both.
    images = [name for name in names if name not in BASELINES]
    image = JOINT if JOINT in images else images[0]
    names = (image, *(name for name in names if name in BASELINES))
    source = source.of(whole)
    there = np.logical_and.reduce([test.with_patches(name, asked.patients) for name in names])
    asked = asked.of(there)
    bags = {name: test.bags(name, asked.patients) for name in names}
    target = ClassTarget(asked.labels, len(classes))
    if cohort.fit is None:
        found = yield from nested(bags, target, methods=METHODS, seed=request.seed)
    else:
        found = yield from fit_and_test(
            {name: learned.bags(name, source.patients) for name in names},
            ClassTarget(source.labels, len(classes)),
            bags,
            methods=METHODS,
            seed=request.seed,
        )
    note = (
        f"{found.said_chosen()}: the simplest within one standard error of the best on the "
        "patients fitted on, chosen without those tested."
    )
    out: dict[str, Any] = _figures(found.best, target, found, request, note)
    out["classes"] = list(classes)
    out["baselines"] = {
        name: _figures(found.by_input[name], target, found, request, "")
        for name in names
        if name in BASELINES
    }
    return out


def _common(cohort: EvaluationCohort, field: str, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Classes that enough patients have."""
    values = patient_records(cohort.records, [field]).values[field].to_numpy(str)
    return tuple(name for name in classes if (values == name).sum() >= MIN_PER_CLASS)


def _classes(cohort: EvaluationCohort, field: str, classes: tuple[str, ...]) -> PatientClasses:
    if field not in cohort.atlas.fields:
        raise HaikuError(
            f"The records of {cohort.atlas.name} have no field '{field}', which the cohort that "
            "is fitted on has: name another with --label."
        )
    values = patient_records(cohort.records, [field]).values[field].to_numpy(str)
    code = {name: number for number, name in enumerate(classes)}
    labels = np.array([code.get(value, -1) for value in values], np.int64)
    known = np.flatnonzero(labels >= 0)
    return PatientClasses(known, labels[known])


def _figures(
    scores: NDArray[np.float64],
    target: ClassTarget,
    found: Predictions,
    request: EvaluateRequest,
    note: str,
) -> dict[str, Figure]:
    n, labels = len(target), target.labels
    strata = np.zeros(n, np.int64) if found.strata is None else found.strata
    draw = PatientResampling(np.arange(n), seed=request.seed, resamples=request.resamples)
    prevalence = np.bincount(labels, minlength=target.n_outputs) / n
    figures = {
        name: _resampled(measure, labels, scores, strata, draw, chance, note)
        for name, measure, chance in (
            ("auroc", auroc, 0.5),
            ("auprc", average_precision, float(prevalence.mean())),
        )
    }
    said = scores.argmax(axis=1)
    exact = class_figures(labels, said, np.arange(n), target.n_outputs, request, note=note)
    return figures | {"balanced_accuracy": exact["balanced_accuracy"]}


def average_precision(positive: NDArray[np.bool_], score: NDArray[Any]) -> float:
    """Area under the precision-recall curve in steps; NaN with one class only."""
    n = int(positive.sum())
    if not n or n == len(positive):
        return float("nan")
    order = np.argsort(-score, kind="stable")
    right, ordered = np.cumsum(positive[order]), score[order]
    # Patients of the same score are called together.
    last = np.append(ordered[1:] != ordered[:-1], True)
    recall = right[last] / n
    precision = right[last] / (np.flatnonzero(last) + 1)
    return float((np.diff(recall, prepend=0) * precision).sum())


def _resampled(
    measure: Callable[[NDArray[np.bool_], NDArray[Any]], float],
    labels: NDArray[np.int64],
    scores: NDArray[np.float64],
    strata: NDArray[np.int64],
    draw: PatientResampling,
    chance: float,
    note: str,
) -> Figure:
    """Mean over classes, each against the others within each stratum, with its interval."""

    def whole(cases: NDArray[np.int64]) -> float:
        found = [
            measure(labels[part] == number, scores[part, number])
            for stratum in np.unique(strata)
            for part in [cases[strata[cases] == stratum]]
            for number in range(scores.shape[1])
        ]
        known = [value for value in found if np.isfinite(value)]
        return float(np.mean(known)) if known else float("nan")

    cases = np.arange(len(labels))
    value = whole(cases)
    resampled = np.array([whole(np.repeat(cases, count)) for count in draw.counts])
    ci = draw.limits(resampled[np.isfinite(resampled)]) if np.isfinite(value) else None
    return Figure(value, ci, len(labels), chance, note)
