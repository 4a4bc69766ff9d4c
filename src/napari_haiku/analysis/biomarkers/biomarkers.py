"""Biomarkers of a slide, read off the measured patches that its H&E resembles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.counterfactual.result_tables import output_folder, write_parquet
from napari_haiku.analysis.retrieval.neighbour_average import (
    NeighbourAverage,
    average_neighbours,
    effective_counts,
    softmax_weights,
)
from napari_haiku.analysis.retrieval.outside_atlas import OutsideCalibration, calibrate_outside
from napari_haiku.analysis.retrieval.public_filter import public_filter
from napari_haiku.analysis.retrieval.query_weights import choose_weights
from napari_haiku.analysis.retrieval.retrieval import SlideQuestion, chosen_rows, nobody_answers
from napari_haiku.analysis.statistics.atlas_patients import patient_numbers
from napari_haiku.analysis.statistics.correlation import pearson_columns
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress
from napari_haiku.notices import RESEARCH_USE, SAME_PATIENT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding

DEFAULT_WEIGHTS = {"he": 0.8, "text": 0.2}


@dataclass(frozen=True)
class BiomarkerRequest:
    """How to predict markers.

    Parameters
    ----------
    k : int
        Neighbours behind each patch.
    weights : mapping, optional
        How much H&E and record count; by default 0.8 and 0.2, and H&E alone
        without a record.
    within_patient_um : float, optional
        Let the same patient answer from patches at least so far away, um.
        Everything then carries the label "same patient, other region".
    where : str, optional
        Filter over the atlas.
    temperature : float
        How evenly neighbours count: the last weighs exp(-1 / temperature) as
        much as the best.
    rows : ndarray or slice, optional
        Patches to predict; all by default.
    """

    k: int = 50
    weights: Mapping[str, float] | None = None
    within_patient_um: float | None = None
    where: str | None = None
    temperature: float = 0.5
    rows: NDArray[Any] | slice | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise HaikuError(f"The number of neighbours must be at least 1, not {self.k}.")
        if not self.temperature > 0:
            raise HaikuError(f"The temperature must be above 0, not {self.temperature:g}.")
        if self.within_patient_um is not None and not self.within_patient_um >= 0:
            raise HaikuError(
                f"The gap within a patient must be 0 um or more, not {self.within_patient_um:g}."
            )


@dataclass(frozen=True)
class BiomarkerResult:
    """Predicted markers of a slide, each traceable to atlas patches.

    Parameters
    ----------
    rows : ndarray of int64, shape (n,)
        Which patches of the encoding.
    centres_um : ndarray, shape (n, 2)
        Their centres.
    markers : tuple of str
        Markers of the atlas.
    values : ndarray of float32, shape (n, markers)
        Predicted values in the atlas's units; NaN where no neighbour measured
        the marker. Values of patches outside the atlas are there too: show
        them through :meth:`shown`.
    spread : ndarray of float32, shape (n, markers)
        Weighted SD among the neighbours.
    measured : ndarray of float32, shape (n, markers), or None
        What the slide itself measured; NaN for markers it did not.
    pearson_r : dict of str to float
        Agreement of measured and predicted, for markers measured on the slide.
    similarity : ndarray of float32, shape (n,)
        Likeness of the best neighbour in the fused question; NaN without one.
    outside_atlas : ndarray of bool, shape (n,)
        Whether the atlas holds nothing alike.
    neighbours : ndarray of int64, shape (n, k)
        Atlas rows, best first, -1 for none.
    neighbour_similarity : ndarray of float32, shape (n, k)
        Their likeness.
    effective_neighbours, effective_patients : ndarray of float32, shape (n,)
        Effective numbers behind the patch as a whole.
    marker_neighbours, marker_patients : ndarray of float32, shape (n, markers)
        The same behind each marker.
    calibration : OutsideCalibration
        How "outside" was told.
    weights : dict of str to float
        Weights used.
    label : str
        "" or the same-patient notice.
    request : BiomarkerRequest
        How they were made.
    atlas_name : str
        Where they were read.
    """

    rows: NDArray[np.int64]
    centres_um: NDArray[Any]
    markers: tuple[str, ...]
    values: NDArray[np.float32]
    spread: NDArray[np.float32]
    measured: NDArray[np.float32] | None
    pearson_r: dict[str, float]
    similarity: NDArray[np.float32]
    outside_atlas: NDArray[np.bool_]
    neighbours: NDArray[np.int64]
    neighbour_similarity: NDArray[np.float32]
    effective_neighbours: NDArray[np.float32]
    effective_patients: NDArray[np.float32]
    marker_neighbours: NDArray[np.float32]
    marker_patients: NDArray[np.float32]
    calibration: OutsideCalibration
    weights: dict[str, float]
    label: str
    request: BiomarkerRequest = field(repr=False)
    atlas_name: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def mean_pearson_r(self) -> float:
        """Mean r over the markers that have one; NaN without any."""
        known = [r for r in self.pearson_r.values() if np.isfinite(r)]
        return float(np.mean(known)) if known else float("nan")

    def shown(self) -> NDArray[np.float32]:
        """Give the values with NaN where the atlas holds nothing alike."""
        return np.where(self.outside_atlas[:, None], np.float32(np.nan), self.values)

    def table(self, values: NDArray[Any] | None = None) -> pd.DataFrame:
        """One row a patch: where it lies, how alike, whether outside, one column a marker.

        Parameters
        ----------
        values : ndarray, shape (n, markers), optional
            What the marker columns hold; the predicted values by default.
        """
        import pandas as pd

        place = pd.DataFrame(
            {
                "patch": self.rows,
                "x_um": self.centres_um[:, 0],
                "y_um": self.centres_um[:, 1],
                "similarity": self.similarity,
                "outside_atlas": self.outside_atlas,
            }
        )
        columns = pd.DataFrame(
            self.values if values is None else values, columns=list(self.markers)
        )
        return pd.concat([place, columns], axis=1)

    def save(self, output: Path) -> None:
        """Write `predictions.parquet` and `spread.parquet` into a folder."""
        folder = output_folder(output)
        notes = {
            "atlas": self.atlas_name,
            "neighbours": self.request.k,
            "weights": self.weights,
            "temperature": self.request.temperature,
            "within_patient_um": self.request.within_patient_um,
            "where": public_filter(self.request.where),
            "pearson_r": {
                name: float(r) if np.isfinite(r) else None for name, r in self.pearson_r.items()
            },
            "outside_atlas": self.calibration.how,
            "label": self.label,
            "notice": RESEARCH_USE,
        }
        write_parquet(folder / "predictions.parquet", self.table(), notes)
        write_parquet(folder / "spread.parquet", self.table(self.spread), notes)


def predict_biomarkers(
    encoding: Encoding,
    atlas: Atlas,
    request: BiomarkerRequest | None = None,
    *,
    calibration: OutsideCalibration | None = None,
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
