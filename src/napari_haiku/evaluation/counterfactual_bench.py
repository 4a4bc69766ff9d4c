"""A virtual cohort laid out for many counterfactuals: vectors, markers, true niches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.biomarkers.marker_scale import marker_scale
from napari_haiku.analysis.counterfactual.record_fields import (
    as_number,
    patient_records,
    same_value,
)
from napari_haiku.analysis.retrieval.text_reranking import Gallery
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.marker_scale import MarkerScale
    from napari_haiku.analysis.counterfactual.record_fields import PatientRecords
    from napari_haiku.clinical import Record
    from napari_haiku.evaluation.cohort import EvaluationCohort

AREA = "__area__"


@dataclass(frozen=True)
class Bench:
    """Patches with H&E and mIF of one cohort.

    Parameters
    ----------
    he, mif : ndarray of float32, shape (n, dim)
        Their vectors.
    values : ndarray of float32, shape (n, markers)
        Markers in SD; NaN where not measured.
    positions_um : ndarray, shape (n, 2)
        Their centres.
    patient : ndarray of int64, shape (n,)
        Row of `records`.
    niche : ndarray of int64, shape (n,)
        True niche, -1 for none.
    records : PatientRecords
        One record a patient.
    markers, niches : tuple of str
        Names.
    """

    he: NDArray[np.float32]
    mif: NDArray[np.float32]
    values: NDArray[np.float32]
    positions_um: NDArray[Any]
    patient: NDArray[np.int64]
    niche: NDArray[np.int64]
    records: PatientRecords
    markers: tuple[str, ...]
    niches: tuple[str, ...]

    @property
    def n_patients(self) -> int:
        """Patients in the cohort."""
        return len(self.records.patients)

    def gallery(self, without: int = -1) -> Gallery:
        """Everything that may answer for a patient."""
        return Gallery(self.mif, self.values, np.flatnonzero(self.patient != without))

    def record(self, patient: int) -> Record:
        """Record of a patient, empty fields left out."""
        row = self.records.values.iloc[patient]
        return {str(name): str(value) for name, value in row.items() if value}

    def patches(self, patient: int, a_niche: int) -> NDArray[np.int64]:
        """At most so many patches of each true niche of a patient, spread evenly."""
        rows = np.flatnonzero((self.patient == patient) & (self.niche >= 0))
        chosen = []
        for niche in np.unique(self.niche[rows]):
            here = rows[self.niche[rows] == niche]
            size = min(len(here), a_niche)
            chosen.append(here[np.linspace(0, len(here) - 1, size).round().astype(np.int64)])
        return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)

    def of_patients(self, patients: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of some patients."""
        return np.flatnonzero(np.isin(self.patient, patients))


@dataclass(frozen=True)
class TrueEdit:
    """An edit whose effect is known.

    Parameters
    ----------
    name : str
        Such as ``stage: II to IV``.
    before, after : dict of str to str
        Values of the fields that change together.
    rows : DataFrame
        Its rows of the truth.
    """

    name: str
    before: Record
    after: Record
    rows: pd.DataFrame

    def asked_of(self, record: Record) -> tuple[Record, Record, int] | None:
        """Put the edit to a patient who carries one of its ends.

        Returns
        -------
        before, after : dict of str to str
            The patient's record as it reads, and with the other end's values.
        sign : int
            1 from `before` to `after`; -1 the other way, whose shifts are
            turned to be read like the others. None for a patient of neither end.
        """
        for start, end, sign in ((self.before, self.after, 1), (self.after, self.before, -1)):
            # Survival months travel with the status: the patient's own are the start.
            levels = [name for name, value in start.items() if not np.isfinite(as_number(value))]
            if not all(name in record for name in start):
                continue
            if levels:
                here = all(same_value(record[name], start[name]) for name in levels)
            else:
                here = all(_nearer(record[name], start[name], end[name]) for name in start)
            if here:
                return record, {**record, **end}, sign
        return None


def _nearer(value: str, start: str, end: str) -> bool:
    number, one, other = (as_number(entry) for entry in (value, start, end))
    return abs(number - one) < abs(number - other)


def true_edits(truth: pd.DataFrame) -> list[TrueEdit]:
    """Gather the edits of a table of true effects."""
    edits = []
    for (field, start, end), rows in truth.groupby(["field", "from", "to"], sort=True):
        names, before, after = (str(part).split("+") for part in (field, start, end))
        if not len(names) == len(before) == len(after):
            raise HaikuError(
                f"The truth names the edit {field} from {start} to {end}, which does not give one "
                "value a field: simulate the cohort again."
            )
        edits.append(
            TrueEdit(
                f"{field}: {start} to {end}",
                dict(zip(names, before, strict=True)),
                dict(zip(names, after, strict=True)),
                rows,
            )
        )
    return edits


def lay_out(cohort: EvaluationCohort, scale: MarkerScale | None = None) -> Job[Bench]:
    """Read a virtual cohort's atlas and the true niche of each of its patches.

    Parameters
    ----------
    cohort : EvaluationCohort
        A simulated cohort.
    scale : MarkerScale, optional
        Unit of the markers, by default the cohort's own SD.

    Raises
    ------
    HaikuError
        The cohort was not simulated, or has no patch with both images.
    """
    folder = cohort.simulation_folder
    if folder is None:
        raise HaikuError(
            "True effects are known of virtual cohorts only: evaluate a manifest that simulate "
            "wrote."
        )
    from napari_haiku.simulation.niches_of_patches import niches_of_patches
    from napari_haiku.simulation.vocabulary import NICHES

    atlas = cohort.atlas
    both = atlas.has("he") & atlas.has("mif")
    rows = cohort.chosen[both[cohort.chosen]]
    if not len(rows):
        raise HaikuError(f"No patch of {atlas.name} has both H&E and mIF: encode both images.")
    scale = marker_scale(atlas) if scale is None else scale
    half = atlas.patch_um / 2
    slides = atlas.slide_index[rows]
    niche = np.full(len(rows), -1, np.int64)
    names = atlas.slides["slide_id"].to_numpy(str)
    for done, slide in enumerate(present := np.unique(slides)):
        yield Progress(done, len(present), "Looking up true niches", "slides")
        here = slides == slide
        centres = atlas.positions_um[rows[here]]
        boxes = np.concatenate([centres - half, centres + half], axis=1)
        niche[here] = niches_of_patches(folder, names[slide], boxes)
    records = patient_records(atlas.records, atlas.fields)
    number = {name: place for place, name in enumerate(records.patients)}
    of_slide = np.array([number[name] for name in atlas.slides["patient_id"].astype(str)])
    return Bench(
        he=np.asarray(atlas.embeddings("he")[rows], np.float32),
        mif=np.asarray(atlas.embeddings("mif")[rows], np.float32),
        values=scale.standardise(atlas.expression[rows]).astype(np.float32),
        positions_um=atlas.positions_um[rows],
        patient=of_slide[slides].astype(np.int64),
        niche=niche,
        records=records,
        markers=tuple(atlas.markers),
        niches=tuple(NICHES),
    )


def kinds(edit: TrueEdit, bench: Bench) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the true effects of an edit by kind, each of shape (niches, markers), NaN unknown."""
    for kind in dict.fromkeys(edit.rows["kind"]):
        yield str(kind), _laid_out(edit.rows[edit.rows["kind"] == kind], bench, "true_shift")


def roles(edit: TrueEdit, bench: Bench) -> NDArray[np.str_]:
    """Role of each row of an edit ("real", "zero", "travelling" ...), (niches, markers)."""
    out = np.full((len(bench.niches), len(bench.markers)), "", dtype="U16")
    part = edit.rows[edit.rows["kind"] == "conditional"]
    for niche, marker, role in part[["niche", "marker", "role"]].itertuples(index=False):
        if niche in bench.niches and marker in bench.markers:
            out[bench.niches.index(niche), bench.markers.index(marker)] = role
    return out


def _laid_out(rows: pd.DataFrame, bench: Bench, column: str) -> NDArray[np.float64]:
    out = np.full((len(bench.niches), len(bench.markers)), np.nan)
    for niche, marker, value in rows[["niche", "marker", column]].itertuples(index=False):
        if niche in bench.niches and marker in bench.markers:
            out[bench.niches.index(niche), bench.markers.index(marker)] = float(value)
    return out
