"""Which fields of the record the H&E tower should be able to tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.clinical import public_record
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_haiku.clinical import Record
    from napari_haiku.training.config import TrainConfig

# A field of more different numbers is a scale; of more different words it is told by none.
_MOST_LEVELS = 12
# A level of fewer patients, or of a smaller share of them, is not learnt.
_FEWEST, _SELDOM = 2, 0.01


class RecordTargets:
    """Standardised columns of the record: one for each level of a field, or one for a scale.

    Parameters
    ----------
    records : mapping of str to Record
        Record of each patient that is learnt from.
    fields : sequence of str
        Fields to tell.

    Raises
    ------
    HaikuError
        No patient has a field, or none of its values is shared by enough of them.
    """

    def __init__(self, records: Mapping[str, Record], fields: Sequence[str]) -> None:
        self._columns: list[tuple[str, str, float, float]] = []
        shown = [public_record(record) for record in records.values()]
        for name in fields:
            values = [record[name] for record in shown if record.get(name)]
            found = _columns(name, values)
            if not found:
                raise HaikuError(
                    f"The objective record cannot tell the field '{name}': it needs two values "
                    f"that at least {_FEWEST} patients share. Leave it out of 'fields', or correct "
                    "its name."
                )
            self._columns += found

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self._columns)

    def of(self, records: Sequence[Record]) -> NDArray[np.float32]:
        """Columns of some records, shape (n, L); NaN where a field is empty."""
        out = np.full((len(records), self.width), np.nan, np.float32)
        for row, record in enumerate(map(public_record, records)):
            for column, (name, level, mean, spread) in enumerate(self._columns):
                value = record.get(name)
                if not value:
                    continue
                number = float(value == level) if level else _number(value)
                if number is not None:
                    out[row, column] = (number - mean) / spread
        return out


def record_fields(config: TrainConfig) -> tuple[str, ...]:
    """Fields that the objective `record` names; empty without it.

    Raises
    ------
    HaikuError
        It names none, or one known to carry no information.
    """
    if "record" not in config.objectives:
        return ()
    entry: Any = config.objectives["record"]
    fields = entry.get("fields") if isinstance(entry, Mapping) else None
    usable = isinstance(fields, list | tuple) and all(isinstance(name, str) for name in fields)
    if not usable or not fields:
        raise HaikuError(
            "The objective record must be told which fields to tell: give it "
            '{"weight": 1.0, "fields": ["grade", ...]}.'
        )
    empty = sorted(set(fields) & {*config.placebo_fields, *config.twin_fields})
    if empty:
        raise HaikuError(
            f"The objective record names '{empty[0]}', which carries no information: leave it out."
        )
    return tuple(fields)


def _columns(name: str, values: list[str]) -> list[tuple[str, str, float, float]]:
    """Field, level, mean and spread of each column; a scale's level is empty."""
    counts = Counter(values)
    numbers = [number for number in map(_number, values) if number is not None]
    if len(counts) > _MOST_LEVELS and len(numbers) == len(values):
        return [(name, "", float(np.mean(numbers)), float(np.std(numbers)))]
    fewest = max(_FEWEST, _SELDOM * len(values))
    often = [level for level, count in counts.items() if count >= fewest]
    if len(often) < 2 or len(counts) > _MOST_LEVELS:
        return []
    # The last of two levels says nothing new.
    told = sorted(often)[:1] if len(counts) == 2 else sorted(often)
    shares = [counts[level] / len(values) for level in told]
    return [(name, level, s, (s * (1 - s)) ** 0.5) for level, s in zip(told, shares, strict=True)]


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if np.isfinite(number) else None
