"""What the atlas's records say: which patients carry which value of a field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    import pandas as pd

_MORE_THAN_LEVELS = 10


@dataclass(frozen=True)
class PatientRecords:
    """One record a patient, taken from the records of the atlas's slides.

    Parameters
    ----------
    patients : tuple of str
        Patients in the order of the rows.
    values : DataFrame
        Rows are patients, columns are fields, "" is not recorded. Where a
        patient's slides disagree, that field is not recorded for the patient.
    """

    patients: tuple[str, ...]
    values: pd.DataFrame

    def is_numeric(self, field: str) -> bool:
        """Whether a field is measured on a scale rather than sorted into levels.

        A scale is a field whose values are all numbers, more than ten of them
        different.
        """
        known = [value for value in self.values[field] if value]
        numbers = [_number(value) for value in known]
        return len(set(known)) > _MORE_THAN_LEVELS and all(np.isfinite(numbers))

    def carry(self, field: str, value: str, *, against: str) -> NDArray[np.bool_]:
        """Patients that stand for `value` of a field rather than for `against`.

        On a field of levels: those recorded with exactly that value. On a
        scale: those on the same side as `value` of the midpoint between the
        two.

        Returns
        -------
        ndarray of bool, shape (patients,)
        """
        column = self.values[field]
        here, there = _number(value), _number(against)
        if self.is_numeric(field) and np.isfinite(here) and np.isfinite(there):
            numbers = np.array([_number(entry) for entry in column])
            middle = (here + there) / 2
            side = numbers > middle if here > there else numbers < middle
            return np.asarray(np.isfinite(numbers) & side, bool)
        return np.array([same_value(entry, value) for entry in column], bool)


def patient_records(
    records: pd.DataFrame, fields: Sequence[str], *, leave_out: str | None = None
) -> PatientRecords:
    """Gather one record a patient.

    Parameters
    ----------
    records : DataFrame
        One row a slide, with `patient_id` and the clinical fields.
    fields : sequence of str
        The clinical fields.
    leave_out : str, optional
        Patient to leave out, the one asked about.
    """
    import pandas as pd

    rows: dict[str, dict[str, str]] = {}
    for patient, slides in records.groupby("patient_id", sort=True):
        if str(patient) == leave_out:
            continue
        rows[str(patient)] = {field: _agreed(slides[field]) for field in fields}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(fields), dtype=object)
    return PatientRecords(tuple(rows), table)


def same_value(a: object, b: object) -> bool:
    """Whether two entries of a record say the same, spaces and case aside."""
    return _plain(a) == _plain(b) and bool(_plain(a))


def check_edit(
    records: PatientRecords, baseline: Mapping[str, str], edits: Mapping[str, str]
) -> dict[str, int]:
    """Refuse an edit that the atlas cannot speak to.

    Parameters
    ----------
    records : PatientRecords
        Patients of the atlas that may serve as evidence.
    baseline : mapping
        The record as it is.
    edits : mapping
        Field to new value.

    Returns
    -------
    dict
        Patients that stand for the new value, by field.

    Raises
    ------
    HaikuError
        No edit, a field that the record or the atlas does not have, a value
        that nobody carries, or values that are there already.
    """
    if not edits:
        raise HaikuError("Nothing was edited: change at least one field of the clinical record.")
    shared = [name for name in baseline if name in records.values.columns]
    for field in edits:
        if field not in records.values.columns or field not in baseline:
            where = "atlas" if field not in records.values.columns else "slide's record"
            there = ", ".join(shared) if shared else "none"
            raise HaikuError(
                f"The {where} has no field {field!r}, so it cannot be edited: "
                f"the fields that can be are {there}."
            )
    if all(_plain(baseline[field]) == _plain(value) for field, value in edits.items()):
        said = ", ".join(f"{field} {value}" for field, value in edits.items())
        raise HaikuError(
            f"The edit changes nothing: the record already says {said}; choose another value."
        )
    support: dict[str, int] = {}
    for field, value in edits.items():
        there = int(records.carry(field, value, against=baseline[field]).sum())
        outside = records.is_numeric(field) and not _within(records.values[field], value)
        if there == 0 or outside:
            raise HaikuError(
                f"The atlas has no patient with {field} {value}, "
                "so it cannot say what would shift."
            )
        support[field] = there
    return support


def _within(column: pd.Series, value: str) -> bool:
    numbers = [_number(entry) for entry in column if entry]
    return min(numbers) <= _number(value) <= max(numbers)


def _agreed(column: pd.Series) -> str:
    said = {_plain(value): str(value).strip() for value in column if _plain(value)}
    return next(iter(said.values())) if len(said) == 1 else ""


def _plain(value: object) -> str:
    return "" if value is None or value != value else " ".join(str(value).split()).casefold()


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return float("nan")
