"""Biomarker inference: markers read off similar patches of other patients, against the measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.biomarkers.biomarkers import DEFAULT_WEIGHTS, BiomarkerRequest
from napari_haiku.analysis.retrieval.neighbour_average import average_neighbours, softmax_weights
from napari_haiku.analysis.statistics.correlation import pearson_columns
from napari_haiku.errors import HaikuError
from napari_haiku.evaluation.ceiling import expected_means
from napari_haiku.evaluation.figures import Figure
from napari_haiku.evaluation.hand_made import features_of, hand_made_space
from napari_haiku.evaluation.neighbours import nearest
from napari_haiku.evaluation.resampling import PatientResampling
from napari_haiku.evaluation.spaces import Space, model_space, random_space
from napari_haiku.evaluation.yardstick_by_patient import ridge_by_patient

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.jobs import Job

PUBLISHED_K = 5
# The paper keeps markers that more than this share of the patches measured.
PUBLISHED_SHARE = 0.8
_AT_ONCE = 4096


def run(cohort: EvaluationCohort, request: EvaluateRequest) -> Job[dict[str, Any]]:
    """Measure r between measured and predicted intensity, by marker and on the mean.

    The prediction is that of the ``biomarkers`` command: same neighbours,
    weights and softmax, own patient out.

    Raises
    ------
    HaikuError
        No slide has both H&E and measured markers, one patient only, or markers
        that never overlap between patients.
    """
    atlas = cohort.atlas
    space = model_space(cohort)
    measured = np.asarray(atlas.expression[cohort.chosen], np.float64)
    _check(cohort, request, space, measured)
    queries = space.has["he"] & np.isfinite(measured).any(axis=1)
    predicted, weights = yield from _read_off(space, measured, queries, request)
    agreement = _Agreement(cohort, request, measured, queries)
    out: dict[str, Any] = agreement.figures(predicted, per_marker=True)
    out["mean_r_within_slide"] = agreement.within_slide(predicted)
    alone, _ = yield from _read_off(space, measured, queries, request, he_alone=True)
    out["mean_r_he_alone"] = agreement.mean(alone)
    baselines: dict[str, Any] = {}
    noise, _ = yield from _read_off(random_space(space, request.seed), measured, queries, request)
    baselines["random"] = {"mean_r": agreement.mean(noise)}
    baselines |= yield from _hand_made(cohort, request, space, measured, queries, agreement)
    expected = yield from expected_means(cohort)
    if expected is not None:
        out["ceiling"] = agreement.mean(
            np.where(queries[:, None], expected, np.nan),
            note="What cell types and positions alone say, without states and marker levels.",
        )
        out["ceiling_per_marker"] = agreement.by_marker(expected)
    out["settings"] = {
        "neighbours": _k(request),
        "weights": weights,
        "own_patient": "in" if request.published else "out",
    }
    return out | {"baselines": baselines}


def _check(
    cohort: EvaluationCohort,
    request: EvaluateRequest,
    space: Space,
    measured: NDArray[np.float64],
) -> None:
    if not {"he", "mif"} <= set(space.vectors) or not cohort.atlas.markers:
        raise HaikuError(
            f"The atlas {cohort.atlas.name} needs slides with H&E and slides with measured "
            "markers: give a cohort with both images."
        )
    if not space.shared:
        raise HaikuError(
            f"H&E and mIF of {cohort.atlas.model_name} lie in no shared space: markers cannot be "
            "read off mIF neighbours."
        )
    if request.published:
        return
    patients = space.patients
    if len(np.unique(patients)) < 2:
        raise HaikuError(
            "The cohort has one patient, whose own tissue is no evidence: give at least two."
        )
    asked = [
        _patients_with(measured[:, column], patients, space.has["he"])
        for column in range(measured.shape[1])
    ]
    if not any(len(found) > 1 for found in asked):
        raise HaikuError(
            "No marker was measured on two patients, so none can be read off another's tissue: "
            "use slides whose panels (column mif) share markers."
        )


def _patients_with(
    column: NDArray[np.float64], patients: NDArray[np.int64], has: NDArray[np.bool_]
) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.unique(patients[np.isfinite(column)])
    return found if len(np.unique(patients[np.isfinite(column) & has])) else found[:0]


def _k(request: EvaluateRequest) -> int:
    return PUBLISHED_K if request.published else BiomarkerRequest().k


def _read_off(
    space: Space,
    measured: NDArray[np.float64],
    queries: NDArray[np.bool_],
    request: EvaluateRequest,
    *,
    he_alone: bool = False,
) -> Job[tuple[NDArray[np.float64], dict[str, float]]]:
    """Average the markers of each query's neighbours; NaN for rows that do not ask."""
    asked = np.flatnonzero(queries)
    kept = np.flatnonzero(space.has["mif"] & np.isfinite(measured).any(axis=1))
    he, gallery = space.pair("he", "mif")
    question = he[asked].astype(np.float32)
    weights = {"he": 1.0}
    has_text = space.caption_of[asked] >= 0
    if space.captions is not None and not he_alone and has_text.any():
        weights = dict(DEFAULT_WEIGHTS)
        text = space.row_vectors("text")[asked]
        fused = (weights["he"] * question.astype(np.float64) + weights["text"] * text).astype(
            np.float32
        )
        question = np.where(has_text[:, None], fused, question)
    rows, similarity = yield from nearest(
        question,
        gallery[kept],
        space.patients[asked],
        space.patients[kept],
        _k(request),
        own_patient=request.published,
        doing=f"Reading markers off neighbours ({space.title.lower()})",
    )
    out = np.full(measured.shape, np.nan)
    values = _z(measured)[kept] if request.published else measured[kept]
    for start in range(0, len(asked), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        there = rows[part] >= 0
        share = _shares(similarity[part], there, request)
        found = np.where(there[:, :, None], values[rows[part]], np.nan)
        patient = np.where(there, space.patients[kept][rows[part]], -1)
        out[asked[part]] = average_neighbours(found, share, patient).mean
    return out, weights


def _shares(
    similarity: NDArray[np.float32], there: NDArray[np.bool_], request: EvaluateRequest
) -> NDArray[np.float64]:
    if not request.published:
        return softmax_weights(similarity, there, BiomarkerRequest().temperature)
    raw = np.where(there, np.exp(np.nan_to_num(similarity.astype(np.float64))), 0)
    shares: NDArray[np.float64] = raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-300)
    return shares


def _z(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    n = np.maximum(known.sum(axis=0), 2)
    mean = np.where(known, values, 0).sum(axis=0) / n
    spread = np.sqrt(np.where(known, (values - mean) ** 2, 0).sum(axis=0) / (n - 1))
    z: NDArray[np.float64] = (values - mean) / np.maximum(spread, 1e-6)
    return z


class _Agreement:
    """Pearson r over the queries, with intervals from patient-wise sums."""

    def __init__(
        self,
        cohort: EvaluationCohort,
        request: EvaluateRequest,
        measured: NDArray[np.float64],
        queries: NDArray[np.bool_],
    ) -> None:
        kept = np.ones(measured.shape[1], bool)
        if request.published:
            kept = np.isfinite(measured).mean(axis=0) > PUBLISHED_SHARE
        self._rows = np.flatnonzero(queries)
        self._columns = np.flatnonzero(kept)
        self._markers = [cohort.atlas.markers[column] for column in self._columns]
        self._measured = measured[np.ix_(self._rows, self._columns)]
        patients = cohort.patients[cohort.chosen][self._rows]
        self._slides = cohort.atlas.slide_index[cohort.chosen][self._rows]
        self._draw = PatientResampling(patients, seed=request.seed, resamples=request.resamples)

    def figures(self, predicted: NDArray[np.float64], *, per_marker: bool) -> dict[str, Any]:
        out: dict[str, Any] = {"mean_r": self.mean(predicted)}
        return out | ({"per_marker": self.by_marker(predicted)} if per_marker else {})

    def mean(self, predicted: NDArray[np.float64], note: str = "") -> Figure:
        """Mean over the markers of r over all queries."""
        both, sums = self._sums(predicted)
        value, ci = self._draw.of_sums(sums, lambda total: _mean_known(_pearson(total)))
        return Figure(value, ci, int(both.any(axis=1).sum()), 0.0, note)

    def by_marker(self, predicted: NDArray[np.float64]) -> dict[str, Figure]:
        both, sums = self._sums(predicted)
        out = {}
        for column, marker in enumerate(self._markers):
            value, ci = self._draw.of_sums(
                sums[:, column], lambda total: _pearson(total[:, None])[:, 0]
            )
            out[marker] = Figure(value, ci, int(both[:, column].sum()), 0.0)
        return out

    def within_slide(self, predicted: NDArray[np.float64]) -> Figure:
        """Mean over slides of what the biomarkers command prints for each."""
        shown = predicted[np.ix_(self._rows, self._columns)]
        found = np.full(len(self._rows), np.nan)
        for slide in np.unique(self._slides):
            mine = np.flatnonzero(self._slides == slide)
            r = pearson_columns(self._measured[mine], shown[mine])
            if np.isfinite(r).any():
                found[mine[0]] = np.nanmean(r)
        return self._draw.mean(
            found, chance=0.0, note="Mean over slides; n counts slides with an r."
        )

    def _sums(
        self, predicted: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        shown = predicted[np.ix_(self._rows, self._columns)]
        both = np.isfinite(self._measured) & np.isfinite(shown)
        x, y = (_centred(values, both) for values in (self._measured, shown))
        return both, self._draw.per_patient(
            np.stack([both.astype(float), x, y, x * x, y * y, x * y], axis=-1)
        )


def _centred(values: NDArray[np.float64], keep: NDArray[np.bool_]) -> NDArray[np.float64]:
    n = np.maximum(keep.sum(axis=0), 1)
    mean = np.where(keep, values, 0).sum(axis=0) / n
    centred = np.where(keep, values - mean, 0)
    spread = np.sqrt((centred**2).sum(axis=0) / n)
    # Scaled too, so that sums of squares of any unit keep their digits.
    out: NDArray[np.float64] = centred / np.where(spread > 0, spread, 1)
    return out


def _pearson(total: NDArray[np.float64]) -> NDArray[np.float64]:
    """R from sums n, x, y, xx, yy, xy in the last axis."""
    n, x, y, xx, yy, xy = np.moveaxis(total, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        left, right = xx - x * x / n, yy - y * y / n
        r = (xy - x * y / n) / np.sqrt(left * right)
    # Sums of standardised values: what rounding leaves of a constant column is no spread.
    known = (n >= 3) & (left > 1e-9 * n) & (right > 1e-9 * n)
    return np.where(known, np.clip(r, -1, 1), np.nan)


def _mean_known(r: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(r)
    total = np.where(known, r, 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: NDArray[np.float64] = total / known.sum(axis=1)
    return mean


def _hand_made(
    cohort: EvaluationCohort,
    request: EvaluateRequest,
    space: Space,
    measured: NDArray[np.float64],
    queries: NDArray[np.bool_],
    agreement: _Agreement,
) -> Job[dict[str, Any]]:
    """Neighbours and ridge regression in hand-made features, other patients only."""
    hand_made = yield from hand_made_space(cohort, request, space)
    found = yield from features_of(cohort, request)
    if hand_made is None or found is None:
        return {}
    features, note = found
    crossing = Space(
        hand_made.name,
        hand_made.vectors | {"mif": hand_made.vectors["he"]},
        {"he": hand_made.has["he"], "mif": hand_made.has["he"] & hand_made.has["mif"]},
        None,
        hand_made.caption_of,
        hand_made.caption_patient,
        hand_made.patients,
    )
    near, _ = yield from _read_off(crossing, measured, queries, request)
    line = ridge_by_patient(features, measured, space.patients, queries)
    return {
        "hand_made": {"mean_r": agreement.mean(near, note=f"Neighbours. {note}")},
        "hand_made_ridge": {
            **agreement.figures(line, per_marker=True),
            "mean_r": agreement.mean(line, note=f"Ridge regression, 5 patient-wise folds. {note}"),
        },
    }
