"""Classification by neighbours: the classes of the most similar patches vote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.evaluation.hand_made import hand_made_space
from napari_haiku.evaluation.labels import label_fields
from napari_haiku.evaluation.neighbours import nearest
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

KS = (1, 5, 10, 20, 50)
# Neighbours of the verdict on a whole patient.
PATIENT_K = 10


def run(cohort: EvaluationCohort, request: EvaluateRequest) -> Job[dict[str, Any]]:
    """Measure field -> direction -> accuracy and macro-F1 for several numbers of neighbours.

    The vote of a class is the sum of its neighbours' similarities. Own patient
    out unless the published protocol is asked for.

    Raises
    ------
    HaikuError
        No field forms classes, or one patient only.
    """
    fields = label_fields(cohort, request)
    space = model_space(cohort)
    if len(np.unique(space.patients)) < 2:
        raise HaikuError("The cohort has one patient: neighbours must come from others.")
    out: dict[str, Any] = yield from _measure(space, fields, request)
    spaces = {"random": random_space(space, request.seed)}
    hand_made = yield from hand_made_space(cohort, request, space)
    if hand_made is not None:
        spaces["hand_made"] = hand_made
    baselines: dict[str, Any] = {}
    for name, baseline in spaces.items():
        baselines[name] = yield from _measure(baseline, fields, request)
    return out | {"baselines": baselines}


def neighbour_directions(space: Space) -> list[tuple[str, str]]:
    """Pairs of image modalities that a question can go between."""
    pairs = [(query, target) for query in space.images for target in space.images]
    if space.name == "hand_made" and space.crossing is None:
        return [(query, target) for query, target in pairs if query == target]
    return pairs if space.shared else [pair for pair in pairs if pair[0] == pair[1]]


def _measure(
    space: Space, fields: tuple[LabelField, ...], request: EvaluateRequest
) -> Job[dict[str, Any]]:
    out: dict[str, Any] = {field.name: {} for field in fields}
    for query, target in neighbour_directions(space):
        asked = np.flatnonzero(space.has[query])
        kept = np.flatnonzero(space.has[target])
        queries, gallery = space.pair(query, target)
        rows, similarity = yield from nearest(
            queries[asked],
            gallery[kept],
            space.patients[asked],
            space.patients[kept],
            min(max(KS), len(kept)),
            own_patient=request.published,
            doing=f"Voting of neighbours ({space.title.lower()})",
        )
        for field in fields:
            out[field.name][f"{query}->{target}"] = _figures(
                field, field.code[kept], asked, rows, similarity, space, request
            )
    return out


def _figures(
    field: LabelField,
    classes: NDArray[np.int64],
    asked: NDArray[np.int64],
    rows: NDArray[np.int64],
    similarity: NDArray[np.float32],
    space: Space,
    request: EvaluateRequest,
) -> dict[str, Figure]:
    truth = field.code[asked]
    known = truth >= 0
    found = np.where(rows >= 0, classes[rows], -1)[known]
    alike = np.nan_to_num(similarity[known])
    patients = space.patients[asked][known]
    n_classes = len(field.classes)
    out: dict[str, Figure] = {}
    for k in KS:
        votes = _votes(found[:, :k], alike[:, :k], n_classes)
        best = np.nan_to_num(votes, nan=-np.inf).argmax(axis=1)
        said = np.where(np.isfinite(votes).any(axis=1), best, -1)
        figures = class_figures(truth[known], said, patients, n_classes, request)
        out |= {f"{name}@{k}": figure for name, figure in figures.items()}
    votes = np.nan_to_num(_votes(found[:, :PATIENT_K], alike[:, :PATIENT_K], n_classes))
    verdicts = by_patient(votes, truth[known], patients)
    return out | class_figures(*verdicts, n_classes, request, prefix="patient_")


def _votes(
    found: NDArray[np.int64], alike: NDArray[np.float32], n_classes: int
) -> NDArray[np.float64]:
    """Sum of similarities by class; NaN for a class without a neighbour."""
    total = np.zeros((len(found), n_classes))
    there = np.zeros(total.shape, bool)
    for place in range(found.shape[1]):
        voting = np.flatnonzero(found[:, place] >= 0)
        np.add.at(total, (voting, found[voting, place]), alike[voting, place])
        there[voting, found[voting, place]] = True
    return np.where(there, total, np.nan)
