"""Rows of the shift chart: markers of one niche by effect, with interval and placebo range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pandas as pd

PLACEBO_P = 0.05
# Irrelevant edits are about normal with this scale: 95 % of them stay within.
_PLACEBO_REACH = 1.96


@dataclass(frozen=True)
class ShiftRow:
    """One marker of the chart, in SD of the atlas.

    Parameters
    ----------
    marker : str
        Canonical name.
    shift : float
        Counterfactual minus baseline; NaN: not estimable.
    low, high : float
        95 % interval; NaN where there is none.
    placebo : float
        How far 95 % of irrelevant edits move this row; NaN where unknown.
    faint : bool
        Whether irrelevant text moves the row as much.
    supported : bool
        Whether q < 0.05 and the atlas contrast agrees.
    """

    marker: str
    shift: float
    low: float
    high: float
    placebo: float
    faint: bool
    supported: bool

    @property
    def estimable(self) -> bool:
        """Whether there is a number at all."""
        return math.isfinite(self.shift)


def shift_rows(shifts: pd.DataFrame, niche: Hashable) -> list[ShiftRow]:
    """Sort the markers of a niche: supported ones, then others; not estimable ones last.

    Within each kind they go from most up to most down.

    Parameters
    ----------
    shifts : DataFrame
        One row per niche and marker, columns as in ``shifts.csv``.
    niche : hashable
        Value of the column ``niche``.
    """
    rows = [_row(record) for record in shifts[shifts["niche"] == niche].to_dict("records")]
    return sorted(
        rows,
        key=lambda row: (
            not row.estimable,
            not row.supported,
            -row.shift if row.estimable else 0,
        ),
    )


def _row(record: dict[Hashable, object]) -> ShiftRow:
    def number(column: str) -> float:
        value = record.get(column)
        return float(value) if isinstance(value, (int, float, np.number)) else math.nan

    return ShiftRow(
        marker=str(record["marker"]),
        shift=number("shift"),
        low=number("ci_low"),
        high=number("ci_high"),
        placebo=_PLACEBO_REACH * number("placebo_scale"),
        faint=number("placebo_p") > PLACEBO_P,
        supported=record.get("supported") is True or record.get("supported") == np.True_,
    )


def decimals_for(limit: float) -> int:
    """Decimals with which figures up to a limit are written: two, more for small ones."""
    return max(2, 2 - math.ceil(math.log10(limit)))


def axis_limit(rows: list[ShiftRow]) -> float:
    """Half the width of the chart: the next round number beyond all that is drawn."""
    drawn = [
        abs(value)
        for row in rows
        for value in (row.shift, row.low, row.high, row.placebo)
        if math.isfinite(value)
    ]
    largest = max(drawn, default=0.0)
    if largest <= 0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(largest))
    for factor in (1, 2, 4, 5, 10):
        if factor * step >= largest * (1 - 1e-9):
            return factor * step
    return 10 * step
