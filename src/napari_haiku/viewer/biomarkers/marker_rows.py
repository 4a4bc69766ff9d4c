"""Rows of the marker table: which markers, in which order, how far to be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

RELIABLE_R = 0.2
FIRST_WITHOUT_MEASUREMENT = "PanCK"
ALL_GROUP = "All"


@dataclass(frozen=True)
class MarkerRow:
    """One marker of the table.

    Parameters
    ----------
    marker : str
        Canonical name.
    r : float
        Pearson's r with what was measured on this slide; NaN when not measured.
    predictable : bool
        Whether anybody in the atlas measured it.
    """

    marker: str
    r: float
    predictable: bool

    @property
    def measured(self) -> bool:
        """Whether the slide itself measured the marker so that r could be computed."""
        return math.isfinite(self.r)

    @property
    def reliable(self) -> bool:
        """Whether r is known and high enough to rely on the map roughly."""
        return self.measured and self.r >= RELIABLE_R

    @property
    def r_text(self) -> str:
        """Give r with two decimals, or a dash when not measured here."""
        if not self.measured:
            return "\N{EN DASH}"
        return f"{self.r:.2f}".replace("-", "\N{MINUS SIGN}")

    @property
    def hint(self) -> str:
        """Say what the row's look means."""
        if not self.predictable:
            return not_measured_sentence(self.marker)
        if not self.measured:
            return "Not measured on this slide, so agreement is not known."
        if not self.reliable:
            return "Too low to rely on."
        return f"Agreement with what was measured on this slide: r = {self.r_text}."


def not_measured_sentence(marker: str) -> str:
    """Say why a marker has no map."""
    return f"Nobody in this atlas measured {marker}; it cannot be predicted."


def marker_rows(
    markers: Sequence[str],
    pearson_r: Mapping[str, float] | None = None,
    *,
    predictable: Collection[str] | None = None,
) -> list[MarkerRow]:
    """Order the markers: by r where measured, then PanCK, then by name; impossible ones last.

    Parameters
    ----------
    markers : sequence of str
        Markers of the atlas and of the slide.
    pearson_r : Mapping, optional
        Marker -> r where measured.
    predictable : collection of str, optional
        Markers with a prediction; all by default.
    """
    known = pearson_r or {}
    rows = [
        MarkerRow(
            marker,
            float(known.get(marker, math.nan)),
            predictable is None or marker in predictable,
        )
        for marker in dict.fromkeys(markers)
    ]
    return sorted(rows, key=_order)


def _order(row: MarkerRow) -> tuple[bool, bool, float, bool, str]:
    return (
        not row.predictable,
        not row.measured,
        -row.r if row.measured else 0.0,
        row.marker != FIRST_WITHOUT_MEASUREMENT,
        row.marker.casefold(),
    )


def filtered_rows(
    rows: Sequence[MarkerRow],
    text: str = "",
    group: str = ALL_GROUP,
    groups: Mapping[str, Collection[str]] | None = None,
) -> list[MarkerRow]:
    """Keep the rows whose name holds the text and that belong to the group."""
    wanted = text.strip().casefold()
    members = None if group == ALL_GROUP else set((groups or {}).get(group, ()))
    return [
        row
        for row in rows
        if wanted in row.marker.casefold() and (members is None or row.marker in members)
    ]


def groups_present(markers: Collection[str], groups: Mapping[str, Collection[str]]) -> list[str]:
    """Name the groups that hold at least one of the markers, ``All`` first."""
    return [ALL_GROUP, *(name for name, members in groups.items() if set(members) & set(markers))]
