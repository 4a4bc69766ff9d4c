"""Biomarkers of a slide, read off the measured patches that its H&E resembles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.biomarkers.biomarker_result import BiomarkerRequest, BiomarkerResult
from napari_haiku.analysis.biomarkers.marker_scale import marker_scale
from napari_haiku.analysis.retrieval.neighbour_average import (
    NeighbourAverage,
    average_neighbours,
    effective_counts,
    softmax_weights,
)
from napari_haiku.analysis.retrieval.outside_atlas import OutsideCalibration, calibrate_outside
from napari_haiku.analysis.retrieval.query_weights import choose_weights
from napari_haiku.analysis.retrieval.retrieval import SlideQuestion, chosen_rows, nobody_answers
from napari_haiku.analysis.statistics.atlas_patients import patient_numbers
from napari_haiku.analysis.statistics.correlation import pearson_columns
from napari_haiku.jobs import Job, Progress
from napari_haiku.notices import SAME_PATIENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.conformal import IntervalCalibration
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding

__all__ = ["DEFAULT_WEIGHTS", "BiomarkerRequest", "BiomarkerResult", "predict_biomarkers"]

DEFAULT_WEIGHTS = {"he": 0.8, "text": 0.2}


def predict_biomarkers(
    encoding: Encoding,
    atlas: Atlas,
    request: BiomarkerRequest | None = None,
    *,
    calibration: OutsideCalibration | None = None,
    intervals: IntervalCalibration | None = None,
) -> Job[BiomarkerResult]:
    """Predict the atlas's markers for the patches of a slide from its H&E and record.

    Parameters
    ----------
    encoding : Encoding
        The slide. Its own mIF is compared with the prediction, never asked.
    atlas : Atlas
        The evidence; own slide and patient are left out unless the request
        says otherwise.
    request : BiomarkerRequest, optional
        Neighbours, weights, patches.
    calibration : OutsideCalibration, optional
        From an earlier run with the same atlas, gap and filter.
    intervals : IntervalCalibration, optional
        From :func:`calibrate_intervals`, with the same request; without it the
        values carry their neighbours' spread only.

    Returns
    -------
    BiomarkerResult

    Raises
    ------
    HaikuError
        Another model's atlas, no H&E, nobody to answer, impossible weights.

    Notes
    -----
    Haiku, section on biomarker inference (arXiv 2605.00925), with neighbours
    that did not measure a marker left out of its mean and a softmax whose
    temperature is relative to the spread of the neighbours' similarities.
    """
    request = request or BiomarkerRequest()
    rows = chosen_rows(encoding.n_patches, request.rows)
    text = encoding.embeddings("text")
    weights = choose_weights(request.weights, DEFAULT_WEIGHTS, has_record=text is not None)
    question = SlideQuestion.of(
        encoding, atlas, rows, within_patient_um=request.within_patient_um, where=request.where
    )
    if calibration is None:
        calibration = yield from calibrate_outside(
            atlas, within_patient_um=request.within_patient_um, where=request.where
        )
    _, patients = patient_numbers(atlas)
    parts: list[_Part] = []
    for part in question.blocks():
        yield Progress(part.start, len(question), "Predicting")
        parts.append(_predict(question, part, weights, text, patients, request))
    whole = _joined(parts)
    if not (whole.neighbours >= 0).any():
        raise nobody_answers(atlas, request.within_patient_um)
    measured = _measured(encoding, rows, atlas.markers)
    return BiomarkerResult(
        rows=rows,
        centres_um=encoding.centres_um[rows],
        markers=tuple(atlas.markers),
        values=whole.average.mean,
        spread=whole.average.spread,
        measured=measured,
        pearson_r=_agreement(encoding, atlas.markers, whole.average.mean, measured),
        similarity=whole.best,
        outside_atlas=calibration.outside(whole.best_he),
        neighbours=whole.neighbours,
        neighbour_similarity=whole.neighbour_similarity,
        effective_neighbours=whole.effective_neighbours,
        effective_patients=whole.effective_patients,
        marker_neighbours=whole.average.effective_neighbours,
        marker_patients=whole.average.effective_patients,
        calibration=calibration,
        weights=weights,
        label="" if request.within_patient_um is None else SAME_PATIENT,
        request=request,
        atlas_name=atlas.name,
        scale=marker_scale(atlas),
        intervals=intervals,
    )


@dataclass(frozen=True)
class _Part:
    average: NeighbourAverage
    neighbours: NDArray[np.int64]
    neighbour_similarity: NDArray[np.float32]
    best: NDArray[np.float32]
    best_he: NDArray[np.float32]
    effective_neighbours: NDArray[np.float32]
    effective_patients: NDArray[np.float32]


def _predict(
    question: SlideQuestion,
    part: slice,
    weights: Mapping[str, float],
    text: NDArray[np.float32] | None,
    patients: NDArray[np.int64],
    request: BiomarkerRequest,
) -> _Part:
    hits = question.ask(part, weights, text, request.k)
    there = hits.indices >= 0
    alike = question.ask(part, {"he": 1.0}, None, 1) if "text" in weights else hits
    share = softmax_weights(hits.similarity, there, request.temperature)
    of_patient = np.where(there, patients[hits.indices], -1)
    values = np.asarray(question.atlas.expression[hits.indices.ravel()], np.float32)
    values = values.reshape(*hits.indices.shape, -1)
    neighbours, of_patients = effective_counts(share, of_patient)
    return _Part(
        average=average_neighbours(np.where(there[:, :, None], values, np.nan), share, of_patient),
        neighbours=hits.indices,
        neighbour_similarity=hits.similarity,
        best=np.where(there[:, 0], hits.similarity[:, 0], np.nan).astype(np.float32),
        best_he=np.where(alike.indices[:, 0] >= 0, alike.similarity[:, 0], np.nan).astype(
            np.float32
        ),
        effective_neighbours=neighbours,
        effective_patients=of_patients,
    )


def _joined(parts: list[_Part]) -> _Part:
    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    def averaged(name: str) -> NDArray[np.float32]:
        return np.concatenate([getattr(part.average, name) for part in parts])

    names = ("mean", "spread", "effective_neighbours", "effective_patients")
    return _Part(
        NeighbourAverage(*(averaged(name) for name in names)),
        *(column(name) for name in _Part.__dataclass_fields__ if name != "average"),
    )


def _measured(
    encoding: Encoding, rows: NDArray[np.int64], markers: tuple[str, ...]
) -> NDArray[np.float32] | None:
    if encoding.expression is None:
        return None
    measured = np.full((len(rows), len(markers)), np.nan, np.float32)
    for column, marker in enumerate(markers):
        if marker in encoding.markers:
            measured[:, column] = encoding.expression[rows, encoding.markers.index(marker)]
    return measured


def _agreement(
    encoding: Encoding,
    markers: tuple[str, ...],
    values: NDArray[np.float32],
    measured: NDArray[np.float32] | None,
) -> dict[str, float]:
    if measured is None:
        return {}
    r = pearson_columns(measured, values)
    return {
        marker: float(r[column])
        for column, marker in enumerate(markers)
        if marker in encoding.markers
    }
