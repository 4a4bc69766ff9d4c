"""Predicted markers of a slide: what was asked, what came out, how it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.biomarkers.agreement import agreement_by_region, calibration_points
from napari_haiku.analysis.counterfactual.result_tables import (
    output_folder,
    write_csv,
    write_parquet,
)
from napari_haiku.analysis.retrieval.public_filter import public_filter
from napari_haiku.errors import HaikuError
from napari_haiku.notices import RESEARCH_USE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.conformal import IntervalCalibration
    from napari_haiku.analysis.biomarkers.marker_scale import MarkerScale
    from napari_haiku.analysis.retrieval.outside_atlas import OutsideCalibration


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
    scale : MarkerScale, optional
        Mean and SD of each marker in the atlas.
    intervals : IntervalCalibration, optional
        How wide an interval must be, learnt on atlas patients left out; only
        where it was asked for.
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
    scale: MarkerScale | None = None
    intervals: IntervalCalibration | None = None

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

    def z(self) -> NDArray[np.float32]:
        """Give the values in SD from the atlas's mean; NaN for markers that do not vary."""
        if self.scale is None:
            return np.full(self.values.shape, np.nan, np.float32)
        return self.scale.standardise(self.values).astype(np.float32)

    def limits(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Give the limits of each value's interval; NaN where there are none."""
        if self.intervals is None:
            nothing = np.full(self.values.shape, np.nan, np.float32)
            return nothing, nothing.copy()
        return self.intervals.limits(self.values, self.spread)

    def agreement(
        self, labels: NDArray[np.int64] | None = None, names: Mapping[int, str] | None = None
    ) -> pd.DataFrame | None:
        """Measured beside predicted, by marker and region, with intervals; None if not measured.

        Parameters
        ----------
        labels : ndarray of int64, shape (n,), optional
            Region of each row, such as its niche.
        names : mapping, optional
            Names of the regions.
        """
        if self.measured is None:
            return None
        return agreement_by_region(
            self.measured, self.values, self.markers, labels, names, self.centres_um
        )

    def evidence(self) -> pd.DataFrame:
        """One row a patch: how many neighbours and patients effectively stand behind it."""
        table = self.table().iloc[:, :5]
        table["effective_neighbours"] = self.effective_neighbours
        table["effective_patients"] = self.effective_patients
        return table

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
        write_parquet(folder / "z.parquet", self.table(self.z()), notes)
        write_parquet(folder / "evidence.parquet", self.evidence(), notes)
        if self.intervals is not None:
            notes |= {"coverage": self.intervals.level, "coverage_found": self.intervals.how}
            for name, side in zip(("low", "high"), self.limits(), strict=True):
                write_parquet(folder / f"{name}.parquet", self.table(side), notes)
            write_csv(folder / "coverage.csv", self.intervals.table())
        if self.measured is not None:
            points = calibration_points(self.measured, self.values, self.markers)
            write_csv(folder / "calibration.csv", points)
