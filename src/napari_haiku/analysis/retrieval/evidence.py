"""The patients of an atlas that may answer for a slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.counterfactual.record_fields import PatientRecords, patient_records
from napari_haiku.analysis.statistics.atlas_patients import patient_numbers
from napari_haiku.atlas.selection import Exclusion, own_rows, where_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding


@dataclass(frozen=True)
class Evidence:
    """Patients whose measured patches may be retrieved, with their records.

    Parameters
    ----------
    records : PatientRecords
        One record a patient.
    number : ndarray of int64, shape (atlas rows,)
        Patient of each row as a row of `records`; -1 for rows that may not answer.
    """

    records: PatientRecords
    number: NDArray[np.int64]

    @property
    def n_patients(self) -> int:
        """Patients that may answer."""
        return len(self.records.patients)


def evidence_for(
    encoding: Encoding, atlas: Atlas, *, within_patient_um: float | None, where: str | None
) -> Evidence:
    """Gather the patients that may answer for a slide.

    Parameters
    ----------
    encoding : Encoding
        The slide asked about.
    atlas : Atlas
        The atlas.
    within_patient_um : float, optional
        Whether the slide's own patient may answer (from this far away).
    where : str, optional
        Filter over the atlas.
    """
    rows = atlas.has("mif")
    if where:
        rows = rows & where_rows(atlas, where)
    if within_patient_um is None:
        rows = rows & ~own_rows(atlas, Exclusion.of(encoding))
    patients, number = patient_numbers(atlas)
    present = np.unique(number[rows])
    ids = [patients[place] for place in present]
    records = patient_records(atlas.records[atlas.records["patient_id"].isin(ids)], atlas.fields)
    place = {name: row for row, name in enumerate(records.patients)}
    renumbered = np.full(len(patients) + 1, -1, np.int64)
    renumbered[present] = [place[name] for name in ids]
    return Evidence(records, np.where(rows, renumbered[number], -1))
