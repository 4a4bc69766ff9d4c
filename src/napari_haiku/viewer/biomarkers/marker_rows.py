"""Rows of the marker table: which markers, in which order, how far to be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pandas as pd

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
    regions : tuple of (name, r, low, high)
        The same with its 95 % interval over all patches and by niche; NaN limits
        where tissue is too little.
    coverage : float
        Share of measured values that intervals held on atlas patients left out;
        NaN where that was not checked.
    """

    marker: str
    r: float
    predictable: bool
    regions: tuple[tuple[str, float, float, float], ...] = ()
    coverage: float = math.nan

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
        return _signed(self.r)

    @property
    def hint(self) -> str:
        """Say what the row's look means."""
        if not self.predictable:
            return not_measured_sentence(self.marker)
        if not self.measured:
            said = "Not measured on this slide, so agreement is not known."
        elif not self.reliable:
            said = f"Too low to rely on: r = {self.r_text}."
        else:
            said = f"Agreement with what was measured on this slide: r = {self.r_text}."
        lines = [said, *(_region_line(*region) for region in self.regions)]
        if math.isfinite(self.coverage):
            lines.append(f"Its intervals held {self.coverage:.0%} on atlas patients left out.")
        return "\n".join(lines)


def _region_line(name: str, r: float, low: float, high: float) -> str:
    if not math.isfinite(r):
        return f"{name}: r not estimable"
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{name}: r = {_signed(r)}, too little tissue for an interval"
    return f"{name}: r = {_signed(r)} (95 %: {_signed(low)} to {_signed(high)})"


def _signed(r: float) -> str:
    return f"{r:.2f}".replace("-", "\N{MINUS SIGN}")


def not_measured_sentence(marker: str) -> str:
    """Say why a marker has no map."""
    return f"Nobody in this atlas measured {marker}; it cannot be predicted."


def marker_rows(
    markers: Sequence[str],
    pearson_r: Mapping[str, float] | None = None,
    *,
    predictable: Collection[str] | None = None,
    agreement: pd.DataFrame | None = None,
    coverage: Mapping[str, float] | None = None,
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
    agreement : DataFrame, optional
        Of :meth:`BiomarkerResult.agreement`.
    coverage : Mapping, optional
        Marker -> share of measured values that intervals held.
    """
    known = pearson_r or {}
    by_marker: dict[str, list[tuple[str, float, float, float]]] = {}
    if agreement is not None:
        columns = ["marker", "region", "r", "r_low", "r_high"]
        for name, region, r, low, high in agreement[columns].itertuples(index=False):
            if math.isfinite(known.get(name, math.nan)):
                by_marker.setdefault(name, []).append((region, r, low, high))
    rows = [
        MarkerRow(
            marker,
            float(known.get(marker, math.nan)),
            predictable is None or marker in predictable,
            tuple(by_marker.get(marker, ())),
            float((coverage or {}).get(marker, math.nan)),
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
