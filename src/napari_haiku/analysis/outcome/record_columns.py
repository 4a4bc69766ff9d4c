"""Fields of the record as standardised numbers: one column a level, or one for a scale."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.clinical import public_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_haiku.clinical import Record

# A field of more different numbers is a scale; of more different words it is told by none.
_MOST_LEVELS = 12
# A level of fewer patients, or of a smaller share of them, is not learnt.
FEWEST, _SELDOM = 2, 0.01


@dataclass(frozen=True)
class RecordColumns:
    """Columns that the records of some patients gave, to be read off other records too.

    Parameters
    ----------
    columns : tuple of (str, str, float, float)
        Field, level, mean and spread of each; a scale's level is empty.
    """

    columns: tuple[tuple[str, str, float, float], ...]

    @classmethod
    def learn(cls, records: Sequence[Record], fields: Sequence[str]) -> RecordColumns:
        """Take the columns of those fields that can be told.

        A field cannot where no two of its values are shared by enough patients, or
        where it holds words of too many kinds.
        """
        shown = [public_record(record) for record in records]
        found: list[tuple[str, str, float, float]] = []
        for name in fields:
            found += _columns(name, [record[name] for record in shown if record.get(name)])
        return cls(tuple(found))

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields that can be told, in their order."""
        return tuple(dict.fromkeys(name for name, *_ in self.columns))

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.columns)

    def of(self, records: Sequence[Record]) -> NDArray[np.float32]:
        """Columns of some records, shape (n, width); NaN where a field is empty."""
        out = np.full((len(records), self.width), np.nan, np.float32)
        for row, record in enumerate(map(public_record, records)):
            for column, (name, level, mean, spread) in enumerate(self.columns):
                value = record.get(name)
                if not value:
                    continue
                number = float(value == level) if level else _number(value)
                if number is not None:
                    out[row, column] = (number - mean) / spread
        return out


def _columns(name: str, values: list[str]) -> list[tuple[str, str, float, float]]:
    counts = Counter(values)
    numbers = [number for number in map(_number, values) if number is not None]
    if len(counts) > _MOST_LEVELS and len(numbers) == len(values):
        return [(name, "", float(np.mean(numbers)), float(np.std(numbers)))]
    fewest = max(FEWEST, _SELDOM * len(values))
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
