"""Survival of patients read from a table: how long, and whether death ended it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.clinical import clean_value, is_empty
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

TIME_FIELD = "survival_months"
STATUS_FIELD = "survival_status"

_DEAD = {"dead", "deceased", "died", "death", "event", "1", "true", "yes"}
_ALIVE = {"alive", "living", "survival", "survived", "censored", "no event", "0", "false", "no"}
_CENSORED = {"censored", "1", "true", "yes", "alive", "living"}
_NOT_CENSORED = {"uncensored", "not censored", "event", "0", "false", "no", "dead", "deceased"}


@dataclass(frozen=True)
class SurvivalTimes:
    """Follow-up of a number of patients.

    Parameters
    ----------
    time : ndarray of float64, shape (n,)
        Time to death or to the last contact, in the table's unit.
    event : ndarray of bool, shape (n,)
        Whether the patient died at that time (else: censored).
    rows : ndarray of int64, shape (n,)
        Rows of the table that the patients stand in.
    n_missing : int
        Rows left out because the time or the status is not recorded.
    """

    time: NDArray[np.float64]
    event: NDArray[np.bool_]
    rows: NDArray[np.int64]
    n_missing: int = 0

    def __len__(self) -> int:
        return len(self.time)

    @property
    def n_events(self) -> int:
        """Number of deaths."""
        return int(self.event.sum())

    def of(self, patients: NDArray[Any] | Sequence[int]) -> SurvivalTimes:
        """Return some of the patients, by number or by mask."""
        chosen = np.asarray(patients)
        return SurvivalTimes(
            self.time[chosen], self.event[chosen], self.rows[chosen], self.n_missing
        )

    @classmethod
    def from_arrays(cls, time: Any, event: Any) -> SurvivalTimes:
        """Check and wrap two arrays.

        Raises
        ------
        HaikuError
            They do not fit together, a time is negative or no number, there
            are fewer than two patients or nobody died.
        """
        times, events = np.asarray(time, np.float64), np.asarray(event).astype(bool)
        if times.ndim != 1 or times.shape != events.shape:
            raise HaikuError(
                f"Survival needs one time and one event a patient, not {times.shape} times and "
                f"{events.shape} events."
            )
        for row in np.flatnonzero(~(np.isfinite(times) & (times >= 0)))[:1]:
            raise HaikuError(
                f"Row {row + 1}: the survival time is {times[row]}; it must be a number not below "
                "0."
            )
        found = cls(times, events, np.arange(len(times)))
        _require_outcomes(found, "The table")
        return found


def read_survival(
    table: pd.DataFrame,
    *,
    time: str | None = None,
    event: str | None = None,
    censor: str | None = None,
    name: str = "The table",
) -> SurvivalTimes:
    """Read survival from two columns of a table with one row a patient.

    Rows where the time or the status is empty are left out and counted.

    Parameters
    ----------
    table : DataFrame
        One row a patient.
    time : str, optional
        Column of times; ``survival_months`` by default.
    event : str, optional
        Column that says who died (dead, deceased, died, 1, yes, true) and who
        did not (alive, living, censored, 0, no, false), in any case;
        ``survival_status`` by default.
    censor : str, optional
        Column that says instead whose time is censored (1, yes, true).
    name : str
        The table's name for messages.

    Raises
    ------
    HaikuError
        A column is missing, a cell cannot be read (row and column are named),
        there are fewer than two patients, or nobody died.
    """
    if event is not None and censor is not None:
        raise HaikuError(
            f"Give either the event column or the censoring column, not both ('{event}' and "
            f"'{censor}')."
        )
    time = time or TIME_FIELD
    status = censor or event or STATUS_FIELD
    for column in (time, status):
        if column not in table.columns:
            raise HaikuError(
                f"{name} has no column '{column}': name the survival columns with --time and "
                "--event (or --censor)."
            )
    times, events, rows = [], [], []
    for row, (duration, said) in enumerate(zip(table[time], table[status], strict=True)):
        if _nothing(duration) or _nothing(said):
            continue
        times.append(_duration(duration, row, time))
        events.append(_died(said, row, status, censoring=censor is not None))
        rows.append(row)
    found = SurvivalTimes(
        np.array(times, np.float64),
        np.array(events, bool),
        np.array(rows, np.int64),
        len(table) - len(rows),
    )
    _require_outcomes(found, name)
    return found


def _require_outcomes(found: SurvivalTimes, name: str) -> None:
    if len(found) < 2:
        few = "one patient" if len(found) else "no patient"
        raise HaikuError(f"{name} holds {few} with a survival time: survival needs at least two.")
    if not found.event.any():
        raise HaikuError(
            f"{name} holds no death among {len(found)} patients, all are censored: nothing can be "
            "said about survival; check which column marks the event, or use --censor."
        )


def _nothing(value: object) -> bool:
    return is_empty(value) or (isinstance(value, float) and math.isnan(value))


def _duration(value: object, row: int, column: str) -> float:
    try:
        number = float(str(value).strip())
    except ValueError:
        number = float("nan")
    if not math.isfinite(number):
        raise HaikuError(
            f"Row {row + 1}, column '{column}': '{clean_value(value)}' is no number; give the "
            "survival time as a number."
        )
    if number < 0:
        raise HaikuError(
            f"Row {row + 1}, column '{column}': the survival time {clean_value(value)} is below 0."
        )
    return number


def _died(value: object, row: int, column: str, *, censoring: bool) -> bool:
    said = clean_value(value).casefold()
    dead, alive = (_NOT_CENSORED, _CENSORED) if censoring else (_DEAD, _ALIVE)
    if said in dead:
        return True
    if said in alive:
        return False
    expected = "1 (censored) or 0 (died)" if censoring else "dead or alive, or 1 or 0"
    raise HaikuError(
        f"Row {row + 1}, column '{column}': '{clean_value(value)}' is not understood; write "
        f"{expected}."
    )
