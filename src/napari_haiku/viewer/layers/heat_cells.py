"""Cells of the niche x marker maps: enrichment and shift."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_haiku.viewer.layers.legend import number_text, shift_text

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import pandas as pd


@dataclass(frozen=True)
class HeatCell:
    """One cell.

    Parameters
    ----------
    value : float
        What the colour says; NaN: nothing to say, drawn empty.
    faint : bool
        Inside what irrelevant text does.
    dot : bool
        Marked as supported.
    hint : str
        What hovering says.
    """

    value: float
    faint: bool = False
    dot: bool = False
    hint: str = ""


@dataclass(frozen=True)
class HeatTable:
    """A map of niches by markers.

    Parameters
    ----------
    niches : tuple
        Keys of the rows.
    markers : tuple of str
        Columns.
    cells : tuple of tuples of HeatCell
        Rows of cells.
    """

    niches: tuple[Hashable, ...]
    markers: tuple[str, ...]
    cells: tuple[tuple[HeatCell, ...], ...]

    @property
    def limit(self) -> float:
        """Largest absolute value, 1 when there is none."""
        sizes = [abs(cell.value) for row in self.cells for cell in row if math.isfinite(cell.value)]
        return max(sizes, default=0.0) or 1.0


def heat_table(
    table: pd.DataFrame,
    value: str,
    *,
    niches: Sequence[Hashable],
    unit: str,
    marker_order: Sequence[str] | None = None,
    dot: str | None = None,
    faint_above: tuple[str, float] | None = None,
    hints: Sequence[tuple[str, str]] = (),
) -> HeatTable:
    """Arrange a long table (columns ``niche``, ``marker``, ...) as a map.

    Parameters
    ----------
    table : DataFrame
        One row per niche and marker; missing pairs become empty cells.
    value : str
        Column that gives the colour.
    niches : sequence
        Rows, in order.
    unit : str
        Unit written after the value in hints.
    marker_order : sequence of str, optional
        Columns in order; by default from the highest value in any niche down.
    dot : str, optional
        Boolean column that marks a cell.
    faint_above : (column, limit), optional
        Cells whose column exceeds the limit are faint.
    hints : sequence of (column, words)
        Further columns for the hint, with their words.
    """
    records = {
        (record["niche"], str(record["marker"])): record for record in table.to_dict("records")
    }
    markers = tuple(marker_order or _by_largest(table, value))
    rows = []
    for niche in niches:
        cells = []
        for marker in markers:
            record = records.get((niche, marker))
            if record is None or not math.isfinite(_number(record.get(value))):
                cells.append(HeatCell(math.nan, hint=f"{marker}: not estimable"))
                continue
            shown = _number(record.get(value))
            words = [f"{marker}: {shift_text(shown)} {unit}"]
            for column, label in hints:
                number = _number(record.get(column))
                if math.isfinite(number):
                    words.append(f"{label} {_hint_number(column, number)}")
            cells.append(
                HeatCell(
                    shown,
                    faint=faint_above is not None
                    and _number(record.get(faint_above[0])) > faint_above[1],
                    dot=dot is not None and bool(record.get(dot) or False),
                    hint=", ".join(words),
                )
            )
        rows.append(tuple(cells))
    return HeatTable(tuple(niches), markers, tuple(rows))


def _hint_number(column: str, number: float) -> str:
    if column == "n":
        return f"{int(number):,}"
    return number_text(number, signed=column in ("ci_low", "ci_high", "contrast"))


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _by_largest(table: pd.DataFrame, value: str) -> list[str]:
    largest = table.groupby("marker", sort=True)[value].max()
    order = largest.sort_values(ascending=False, kind="stable", na_position="last")
    return [str(marker) for marker in order.index]
