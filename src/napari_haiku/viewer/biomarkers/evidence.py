"""The real patches behind one predicted value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.viewer.layers.legend import number_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerResult
    from napari_haiku.atlas.store import Atlas

SHOWN_NEIGHBOURS = 5
_NAN = float("nan")


@dataclass(frozen=True)
class Neighbour:
    """One atlas patch behind a value.

    Parameters
    ----------
    row : int
        Row of the atlas.
    similarity : float
        How alike it is.
    value : float
        What was measured there; NaN where the marker was not.
    """

    row: int
    similarity: float
    value: float


@dataclass(frozen=True)
class Evidence:
    """What stands behind the value of one marker at one patch.

    Parameters
    ----------
    marker : str
        Canonical name.
    patch : int
        Row of the encoding.
    value, spread, measured : float
        Prediction, standard deviation among its neighbours, measurement; NaN
        where there is none.
    predicted : bool
        Whether the patch was among those predicted.
    outside : bool
        Whether the patch is unlike anything in the atlas.
    neighbours : tuple of Neighbour
        Every neighbour, most alike first.
    patients : int
        How many patients they come from.
    same_patient : bool
        Whether the neighbours may be the slide's own patient.
    low, high : float
        Interval of the value; NaN where there is none (yet).
    coverage : float
        Stated coverage of the interval.
    effective_patients : float
        Patients behind the value, those that count little counting little.
    """

    marker: str
    patch: int
    value: float
    spread: float
    measured: float
    predicted: bool
    outside: bool
    neighbours: tuple[Neighbour, ...]
    patients: int
    same_patient: bool
    low: float = _NAN
    high: float = _NAN
    coverage: float = _NAN
    effective_patients: float = _NAN

    @property
    def headline(self) -> str:
        """Value and spread in a sentence part."""
        if not self.predicted:
            return f"{self.marker}: this patch was not predicted"
        if self.outside:
            return f"{self.marker}: no value, unlike anything in the atlas"
        if not np.isfinite(self.value):
            return f"{self.marker}: no value, none of the neighbours measured it"
        return (
            f"{self.marker} {number_text(self.value)} ± {number_text(self.spread)} among neighbours"
        )

    @property
    def interval_text(self) -> str:
        """The interval of the value in words; "" where there is none."""
        if self.outside or not (np.isfinite(self.low) and np.isfinite(self.high)):
            return ""
        return f"{self.coverage:.0%} interval: {number_text(self.low)} to {number_text(self.high)}"

    @property
    def measured_text(self) -> str:
        """What was measured at the patch itself."""
        if not np.isfinite(self.measured):
            return "not measured here"
        return f"measured here: {number_text(self.measured)}"

    @property
    def footing(self) -> str:
        """Count the neighbours, their patients and the likeness of the best."""
        if not self.neighbours:
            return "no neighbours in this atlas"
        count = len(self.neighbours)
        origin = (
            "same patient, other region"
            if self.same_patient
            else f"{self.patients} patient{'' if self.patients == 1 else 's'}"
        )
        if np.isfinite(self.effective_patients) and not self.same_patient and self.patients > 1:
            origin += f" (counting as {self.effective_patients:.0f})"
        best = max(neighbour.similarity for neighbour in self.neighbours)
        return f"{count} neighbour{'' if count == 1 else 's'}, {origin}, best likeness {best:.2f}"


def evidence_at(result: BiomarkerResult, atlas: Atlas, patch: int, marker: str) -> Evidence:
    """Collect what stands behind one value.

    Parameters
    ----------
    result : BiomarkerResult
        The prediction.
    atlas : Atlas
        The atlas it was read from.
    patch : int
        Row of the encoding.
    marker : str
        Canonical name, one of the result's or of the atlas's.
    """
    found = np.flatnonzero(result.rows == patch)
    if not len(found):
        return Evidence(marker, int(patch), _NAN, _NAN, _NAN, False, False, (), 0, False)
    place = int(found[0])
    rows = np.asarray(result.neighbours[place])
    kept = rows >= 0
    rows = rows[kept]
    similarity = np.asarray(result.neighbour_similarity[place])[kept]
    if marker in atlas.markers:
        values = np.asarray(atlas.expression[rows, atlas.markers.index(marker)], dtype=float)
    else:
        values = np.full(len(rows), np.nan)
    order = np.argsort(-similarity, kind="stable")
    patients = atlas.slides["patient_id"].to_numpy()[atlas.slide_index[rows]]
    column = result.markers.index(marker) if marker in result.markers else None

    def at(table: NDArray[np.floating] | None) -> float:
        return _NAN if table is None or column is None else float(table[place, column])

    low, high = _NAN, _NAN
    if result.intervals is not None and column is not None:
        sides = result.intervals.limits(result.values[place], result.spread[place])
        low, high = (float(side[column]) for side in sides)

    return Evidence(
        marker=marker,
        patch=int(patch),
        value=at(result.values),
        spread=at(result.spread),
        measured=at(result.measured),
        predicted=True,
        outside=bool(result.outside_atlas[place]),
        neighbours=tuple(
            Neighbour(int(rows[i]), float(similarity[i]), float(values[i])) for i in order
        ),
        patients=len(set(patients)),
        same_patient=bool(result.label),
        low=low,
        high=high,
        coverage=_NAN if result.intervals is None else result.intervals.level,
        effective_patients=at(result.marker_patients),
    )
