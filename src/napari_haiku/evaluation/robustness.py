"""Robustness: whether vectors say where a slide was made, beside what its tissue is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.evaluation.hand_made import hand_made_space
from napari_haiku.evaluation.labels import label_fields, place_fields
from napari_haiku.evaluation.linear_probe import MIN_PATIENTS, probe_field
from napari_haiku.evaluation.neighbours import nearest
from napari_haiku.evaluation.resampling import PatientResampling
from napari_haiku.evaluation.spaces import model_space, random_space

if TYPE_CHECKING:
    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.figures import Figure
    from napari_haiku.evaluation.labels import LabelField
    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.evaluation.spaces import Space
    from napari_haiku.jobs import Job

K = 50


def run(cohort: EvaluationCohort, request: EvaluateRequest) -> Job[dict[str, Any]]:
    """Measure how well places and biology can be read, and the share of hits of one's own place.

    Raises
    ------
    HaikuError
        No field names a site or scanner, or too few patients.
    """
    places = place_fields(cohort)
    if not places:
        raise HaikuError(
            "No field with two or more values names a site, scanner, centre or batch: add such a "
            "column to the manifest."
        )
    space = model_space(cohort)
    patients = len(np.unique(space.patients))
    if patients < MIN_PATIENTS:
        raise HaikuError(
            f"The cohort has {patients} patients; telling sites apart needs at least "
            f"{MIN_PATIENTS}."
        )
    biology = () if request.published else _biology(cohort, request)
    out: dict[str, Any] = yield from _measure(space, places, biology, request)
    baselines: dict[str, Any] = {}
    spaces: dict[str, Space | None] = {"random": random_space(space, request.seed)}
    spaces["hand_made"] = yield from hand_made_space(cohort, request, space)
    for name, baseline in spaces.items():
        if baseline is not None:
            baselines[name] = yield from _measure(baseline, places, biology, request)
    return out | {"baselines": baselines}


def _biology(cohort: EvaluationCohort, request: EvaluateRequest) -> tuple[LabelField, ...]:
    try:
        return label_fields(cohort, request)
    except HaikuError:
        # Sites alone can still be told apart; the comparison is left out.
        return ()


def _measure(
    space: Space,
    places: tuple[LabelField, ...],
    biology: tuple[LabelField, ...],
    request: EvaluateRequest,
) -> Job[dict[str, Any]]:
    out: dict[str, Any] = {}
    for modality in space.images:
        part: dict[str, Any] = {"place": {}, "biology": {}, "own_place_hits": {}}
        for kind, fields in (("place", places), ("biology", biology)):
            for field in fields:
                figures = yield from probe_field(
                    space.vectors[modality],
                    space.has[modality],
                    field,
                    space.patients,
                    request,
                    f"Reading {field.name} off {modality} ({space.title.lower()})",
                )
                part[kind][field.name] = figures["balanced_accuracy"]
        for field in places:
            part["own_place_hits"][field.name] = yield from _own_hits(
                space, modality, field, request
            )
        out[modality] = part
    return out


def _own_hits(
    space: Space, modality: str, field: LabelField, request: EvaluateRequest
) -> Job[Figure]:
    """Share of the nearest patches of other patients that come from the query's own place."""
    kept = np.flatnonzero(space.has[modality] & field.known)
    vectors, patients, code = space.vectors[modality][kept], space.patients[kept], field.code[kept]
    rows, _ = yield from nearest(
        vectors,
        vectors,
        patients,
        patients,
        min(K, len(kept)),
        doing=f"Hits of one's own {field.name}",
    )
    there = rows >= 0
    own = (code[rows] == code[:, None]) & there
    with np.errstate(invalid="ignore"):
        share = own.sum(axis=1) / there.sum(axis=1)
    of_place = np.bincount(code, minlength=len(field.classes)).astype(float)
    table = np.zeros((int(patients.max()) + 1, len(field.classes)))
    np.add.at(table, (patients, code), 1)
    others = of_place[code] - table[patients, code]
    pool = len(kept) - table.sum(axis=1)[patients]
    chance = float(np.mean(others / np.maximum(pool, 1)))
    draw = PatientResampling(patients, seed=request.seed, resamples=request.resamples)
    return draw.mean(
        share,
        chance=chance,
        note=f"Of {K} hits of other patients; chance is the place's share of their patches.",
    )
