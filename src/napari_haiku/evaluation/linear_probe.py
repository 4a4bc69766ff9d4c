"""Linear probe: how well a straight line through the vectors tells classes of new patients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.evaluation.hand_made import hand_made_space
from napari_haiku.evaluation.labels import label_fields
from napari_haiku.evaluation.probing import probe, published_probe
from napari_haiku.evaluation.spaces import model_space, random_space
from napari_haiku.evaluation.votes import by_patient, class_figures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.figures import Figure
    from napari_haiku.evaluation.labels import LabelField
    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.evaluation.spaces import Space
    from napari_haiku.jobs import Job

MIN_PATIENTS = 6


def run(cohort: EvaluationCohort, request: EvaluateRequest) -> Job[dict[str, Any]]:
    """Measure field -> input -> accuracy, macro-F1 and balanced accuracy.

    Folds, inner folds and penalties are the same for the model and for every
    baseline.

    Raises
    ------
    HaikuError
        No field forms classes, or too few patients to deal.
    """
    fields = label_fields(cohort, request)
    space = model_space(cohort)
    patients = len(np.unique(space.patients))
    if patients < MIN_PATIENTS:
        raise HaikuError(
            f"The cohort has {patients} patients; a probe that is tuned and tested on patients of "
            f"its own needs at least {MIN_PATIENTS}."
        )
    spaces: dict[str, Space | None] = {"random": random_space(space, request.seed)}
    spaces["hand_made"] = yield from hand_made_space(cohort, request, space)
    out: dict[str, Any] = yield from _measure(space, fields, request)
    baselines: dict[str, Any] = {}
    for name, baseline in spaces.items():
        if baseline is not None:
            baselines[name] = yield from _measure(baseline, fields, request)
    return out | {"baselines": baselines}


def probe_inputs(space: Space) -> dict[str, tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Vectors to probe by name, with the rows that have them."""
    out = {name: (space.vectors[name], space.has[name]) for name in space.images}
    if len(space.images) == 2 and space.name != "random":
        both = space.has["he"] & space.has["mif"]
        out["he+mif"] = (np.concatenate([space.vectors["he"], space.vectors["mif"]], axis=1), both)
    return out


def probe_field(
    vectors: NDArray[np.float32],
    has: NDArray[np.bool_],
    field: LabelField,
    patients: NDArray[np.int64],
    request: EvaluateRequest,
    doing: str,
) -> Job[dict[str, Figure]]:
    """Probe one field from one input."""
    kept = np.flatnonzero(has & field.known)
    classes, whose = field.code[kept], patients[kept]
    n_classes = len(field.classes)
    if request.published:
        probed = yield from published_probe(vectors[kept], classes, n_classes, doing=doing)
    else:
        probed = yield from probe(
            vectors[kept], classes, whose, n_classes, seed=request.seed, doing=doing
        )
    figures = class_figures(classes, probed.said, whose, n_classes, request)
    verdicts = by_patient(probed.scores, classes, whose)
    return figures | class_figures(*verdicts, n_classes, request, prefix="patient_")


def _measure(
    space: Space, fields: tuple[LabelField, ...], request: EvaluateRequest
) -> Job[dict[str, Any]]:
    out: dict[str, Any] = {}
    for field in fields:
        out[field.name] = {}
        for name, (vectors, has) in probe_inputs(space).items():
            if len(np.unique(field.code[has & field.known])) < 2:
                continue
            doing = f"Probing {field.name} ({space.title.lower()})"
            out[field.name][name] = yield from probe_field(
                vectors, has, field, space.patients, request, doing
            )
    return out
