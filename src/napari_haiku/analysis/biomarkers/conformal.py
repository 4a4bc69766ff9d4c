"""Intervals of predicted markers, calibrated and checked on atlas patients left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.biomarkers.marker_scale import marker_scale
from napari_haiku.analysis.retrieval.neighbour_average import average_neighbours, softmax_weights
from napari_haiku.analysis.retrieval.query_weights import choose_weights
from napari_haiku.analysis.statistics.atlas_patients import patient_numbers
from napari_haiku.atlas.query import compose_query
from napari_haiku.atlas.search import Exclusion, search
from napari_haiku.atlas.selection import where_rows
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerRequest
    from napari_haiku.atlas.store import Atlas

LEVEL = 0.9
# Levels at which stated and found coverage are compared.
CURVE = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_SAMPLE = 2000
_LEAST_PATCHES = 3
# An interval is never narrower than neighbours that agree by chance would make it.
_FLOOR = 0.1


@dataclass(frozen=True)
class IntervalCalibration:
    """How far predictions were off on atlas patients, in units of their neighbours' spread.

    Parameters
    ----------
    markers : tuple of str
        Markers of the atlas.
    level : float
        Stated coverage.
    factor : ndarray of float64, shape (markers,)
        Half width of the interval in units of the spread; NaN where too few
        patients measured the marker.
    floor : ndarray of float64, shape (markers,)
        The least spread, in the atlas's units.
    checked : ndarray of float64, shape (markers,)
        Coverage found on patients left out, each patient counting alike.
    curve : ndarray of float64, shape (levels, markers)
        The same at each level of `CURVE`, for a plot of stated against found.
    patients : ndarray of int64, shape (markers,)
        Patients behind each marker.
    patches : int
        Atlas patches that were predicted.
    how : str
        A sentence for the user.
    least : ndarray of float64, shape (markers,)
        Least value that a marker can have: 0 where the atlas holds no negative
        one, else minus infinity.
    """

    markers: tuple[str, ...]
    level: float
    factor: NDArray[np.float64]
    floor: NDArray[np.float64]
    checked: NDArray[np.float64]
    curve: NDArray[np.float64]
    patients: NDArray[np.int64]
    patches: int
    how: str
    least: NDArray[np.float64]

    def limits(
        self, values: NDArray[Any], spread: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Lay the intervals around predictions, shape (n, markers) each; NaN where unknown."""
        half = self.factor * _scale(np.asarray(spread, np.float64), self.floor)
        values = np.asarray(values, np.float64)
        # What cannot be measured loses no coverage by being left out.
        low = np.maximum(values - half, np.minimum(self.least, values))
        return low.astype(np.float32), (values + half).astype(np.float32)

    def table(self) -> pd.DataFrame:
        """One row a marker: `marker, patients, stated, found, factor`, and the curve."""
        import pandas as pd

        columns: dict[str, Any] = {
            "marker": list(self.markers),
            "patients": self.patients,
            "stated": self.level,
            "found": self.checked,
            "factor": self.factor,
        }
        columns |= {f"found_{level:g}": row for level, row in zip(CURVE, self.curve, strict=True)}
        return pd.DataFrame(columns)


def calibrate_intervals(
    atlas: Atlas, request: BiomarkerRequest, *, level: float = LEVEL, seed: int = 0
) -> Job[IntervalCalibration]:
    """Predict atlas patients from the others and learn how wide an interval must be.

    Atlas patches, as many of each patient, are predicted the way a new slide
    is, their own patient left out. How far off each was, divided by its
    neighbours' spread, is a score; the interval of a new patient's patch is as
    wide as the scores of the patients say.

    Parameters
    ----------
    atlas : Atlas
        Needs patches with both H&E and measured markers.
    request : BiomarkerRequest
        Neighbours, weights, temperature and filter of the question that this
        is for. The gap within a patient is not used: patients are left out
        whole.
    level : float
        Stated coverage.
    seed : int
        Seed of the sample.

    Raises
    ------
    HaikuError
        A level that is no share, or no slide with both H&E and mIF.

    Notes
    -----
    Patches of one patient are alike and patients are the units: the score's
    distribution is the mean of the patients' own distributions, a new patient
    being one more of them whose score is not known (Dunn, Wasserman and Ramdas
    2022, "Distribution-free prediction sets for two-layer hierarchical
    models"). A marker needs level / (1 - level) patients or more. Found
    coverage takes each patient's intervals from the other patients alone.
    """
    if not 0 < level < 1:
        raise HaikuError(f"The coverage must lie between 0 and 1, not {level:g}.")
    scale = marker_scale(atlas)
    floor = _FLOOR * scale.sd
    score, number = yield from _scores(atlas, request, floor, seed)
    n_markers = len(atlas.markers)
    factor, checked = np.full((2, n_markers), np.nan)
    curve = np.full((len(CURVE), n_markers), np.nan)
    patients = np.zeros(n_markers, np.int64)
    for column in range(n_markers):
        known = np.isfinite(score[:, column])
        groups = _groups(score[known, column], number[known])
        patients[column] = len(groups)
        factor[column] = hierarchical_quantile(groups, level)
        checked[column] = _found_coverage(groups, level)
        curve[:, column] = [_found_coverage(groups, each) for each in CURVE]
    few = int((~np.isfinite(factor)).sum())
    found = float(np.nanmean(checked)) if np.isfinite(checked).any() else float("nan")
    how = (
        f"Intervals that state {level:.0%} held {found:.0%} of the measured values of atlas "
        "patients left out, on average over patients and markers."
        if np.isfinite(found)
        else "The atlas has too few patients with H&E and measured markers for intervals."
    )
    if few and np.isfinite(found):
        how += f" {few} markers were measured in too few patients for one."
    with np.errstate(invalid="ignore"):
        negative = (np.asarray(atlas.expression) < 0).any(axis=0)
    least = np.where(negative, -np.inf, 0.0)
    return IntervalCalibration(
        tuple(atlas.markers), level, factor, floor, checked, curve, patients, len(score), how, least
    )


def hierarchical_quantile(groups: Sequence[NDArray[np.float64]], level: float) -> float:
    """Smallest score that holds a new group's member with at least this probability.

    Parameters
    ----------
    groups : sequence of ndarray
        Scores of each group; groups count alike, whatever their size.
    level : float
        The probability.

    Returns
    -------
    float
        NaN where there are too few groups to say.
    """
    n = len(groups)
    if n == 0 or level * (n + 1) > n:
        return float("nan")
    scores = np.concatenate(groups)
    share = np.concatenate([np.full(len(group), 1 / len(group)) for group in groups])
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(share[order]) / (n + 1)
    # Rounding must not push a share that is just reached below the level.
    place = int(np.searchsorted(reached, level - 1e-12))
    return float(scores[order][min(place, len(scores) - 1)])


def _found_coverage(groups: Sequence[NDArray[np.float64]], level: float) -> float:
    """Coverage of each group by the quantile of the others, averaged over groups."""
    found = []
    for place, group in enumerate(groups):
        bar = hierarchical_quantile([*groups[:place], *groups[place + 1 :]], level)
        if np.isfinite(bar):
            found.append(float((group <= bar).mean()))
    return float(np.mean(found)) if found else float("nan")


def _groups(score: NDArray[np.float64], number: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    parts = [score[number == one] for one in np.unique(number)]
    return [part for part in parts if len(part) >= _LEAST_PATCHES]


def _scale(spread: NDArray[np.float64], floor: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(spread), np.maximum(spread, floor), np.nan)


def _scores(
    atlas: Atlas, request: BiomarkerRequest, floor: NDArray[np.float64], seed: int
) -> Job[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Errors of left-out predictions in units of spread, (n, markers), and their patients."""
    if "he" not in atlas.modalities or "mif" not in atlas.modalities:
        raise HaikuError(
            f"The atlas {atlas.name} holds no slide with both H&E and mIF, so predictions cannot "
            "be checked on it: use an atlas of slides with both."
        )
    names, number = patient_numbers(atlas)
    usable = atlas.has("he") & np.isfinite(atlas.expression).any(axis=1)
    answering = atlas.has("mif")
    if request.where:
        answering = answering & where_rows(atlas, request.where)
    rng = np.random.default_rng(seed)
    scores, of_patient = [], []
    each = _SAMPLE // len(names) + 1
    for patient, name in enumerate(names):
        yield Progress(patient, len(names), "Checking predictions on the atlas", "patients")
        if not (answering & (number != patient)).any():
            continue
        rows = np.flatnonzero(usable & (number == patient))
        if len(rows) > each:
            rows = np.sort(rng.choice(rows, each, replace=False))
        for slide in np.unique(atlas.slide_index[rows]):
            own = rows[atlas.slide_index[rows] == slide]
            scores.append(_of_slide(atlas, request, own, int(slide), name, number, floor))
            of_patient.append(np.full(len(own), patient))
    if not scores:
        return np.empty((0, len(atlas.markers))), np.empty(0, np.int64)
    return np.concatenate(scores), np.concatenate(of_patient)


def _of_slide(
    atlas: Atlas,
    request: BiomarkerRequest,
    rows: NDArray[np.int64],
    slide: int,
    patient: str,
    number: NDArray[np.int64],
    floor: NDArray[np.float64],
) -> NDArray[np.float64]:
    he = np.asarray(atlas.embeddings("he")[rows], np.float32)
    vectors: dict[str, NDArray[Any]] = {"he": he}
    has_record = bool(atlas.has("text")[rows[0]]) if "text" in atlas.modalities else False
    if has_record:
        vectors["text"] = np.asarray(atlas.slide_texts[slide], np.float32)
    asked = request.weights
    if asked is not None and not has_record:
        asked = {"he": 1.0}
    weights = choose_weights(asked, {"he": 0.8, "text": 0.2}, has_record=has_record)
    parts = {name: vector for name, vector in vectors.items() if name in weights}
    hits = search(
        atlas,
        np.broadcast_to(compose_query(parts, weights), he.shape),
        target="mif",
        k=request.k,
        where=request.where,
        exclude=Exclusion(patient_id=patient, slide_id=str(atlas.slides["slide_id"].iloc[slide])),
        query_positions_um=atlas.positions_um[rows],
    )
    there = hits.indices >= 0
    share = softmax_weights(hits.similarity, there, request.temperature)
    values = np.asarray(atlas.expression[hits.indices.ravel()], np.float32)
    values = np.where(there[:, :, None], values.reshape(*there.shape, -1), np.nan)
    average = average_neighbours(values, share, np.where(there, number[hits.indices], -1))
    off = np.abs(np.asarray(atlas.expression[rows], np.float64) - average.mean)
    scale = _scale(average.spread.astype(np.float64), floor)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(scale > 0, off / scale, np.nan)
