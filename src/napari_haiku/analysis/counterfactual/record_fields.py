"""What the atlas's records say: which patients carry which value of a field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.clinical import clean_value, is_empty

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

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

    @property
    def fields(self) -> tuple[str, ...]:
        """The clinical fields."""
        return tuple(str(field) for field in self.values.columns)

    def is_scale(self, field: str) -> bool:
        """Whether a field is measured on a scale rather than sorted into levels.

        A scale is a field whose values are all numbers, more than ten of them
        different.
        """
        known = [value for value in self.values[field] if value]
        numbers = [as_number(value) for value in known]
        return len(set(known)) > _MORE_THAN_LEVELS and bool(np.isfinite(numbers).all())

    def spelled(self, field: str, value: str) -> str:
        """Spell a value the way most of the atlas's records do, as its model has read it."""
        alike = [str(entry) for entry in self.values[field] if same_value(entry, value)]
        if not alike:
            return clean_value(value)
        return max(sorted(set(alike)), key=alike.count)

    def covers(self, field: str, value: str) -> bool:
        """Whether a value is one of the levels, or lies within the range of the scale."""
        if not self.is_scale(field):
            return any(same_value(entry, value) for entry in self.values[field])
        numbers = [as_number(entry) for entry in self.values[field] if entry]
        return min(numbers) <= as_number(value) <= max(numbers)

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
        here, there = as_number(value), as_number(against)
        if self.is_scale(field) and np.isfinite(here) and np.isfinite(there) and here != there:
            numbers = np.array([as_number(entry) for entry in column])
            middle = (here + there) / 2
            side = numbers > middle if here > there else numbers < middle
            return np.asarray(side, bool)
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

    rows: dict[str, list[str]] = {}
    known = records.astype(object).where(records.notna(), "")
    for patient, slides in known.groupby("patient_id", sort=True):
        if str(patient) != leave_out:
            rows[str(patient)] = [_agreed(slides[field]) for field in fields]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(fields), dtype=object)
    return PatientRecords(tuple(rows), table)


def same_value(a: object, b: object) -> bool:
    """Whether two entries of a record say the same, spaces and case aside."""
    return not is_empty(a) and clean_value(a).casefold() == clean_value(b).casefold()


def as_number(value: object) -> float:
    """Read a value as a number; NaN when it is none."""
    try:
        return float(str(value))
    except ValueError:
        return float("nan")


def _agreed(column: pd.Series) -> str:
    said = {clean_value(value).casefold(): clean_value(value) for value in column}
    said = {key: value for key, value in said.items() if not is_empty(value)}
    return next(iter(said.values())) if len(said) == 1 else ""
