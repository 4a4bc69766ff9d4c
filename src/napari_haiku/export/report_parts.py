"""Pieces that all reports are put together from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_haiku.export.markup import Element, element

if TYPE_CHECKING:
    from collections.abc import Sequence

COMPUTED = "How it was computed"


def table_of(titles: Any, rows: list[Element]) -> Element:
    """Make a table with a head."""
    head = element("thead", element("tr", *(element("th", title) for title in titles)))
    return element("table", head, element("tbody", *rows))


def figure(chart: Element, caption: str) -> Element:
    """Put a caption below a chart."""
    return element("figure", chart, element("figcaption", caption), class_="chart")


def plain(value: Any) -> str:
    """Write a setting as a reader would say it."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {plain(part)}" for name, part in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def number(value: Any) -> str:
    """Write a number to three digits, a dash where there is none."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def range_of(low: float, high: float) -> str:
    """Write an interval, a dash where there is none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "\N{EN DASH}"
    return f"{number(low)} to {number(high)}"


def whole_edit(p: float) -> list[Element]:
    """Say one sentence on the whole edit, none where no placebo edit was to be had."""
    if not math.isfinite(p):
        return []
    return [element("p", f"The edit as a whole against irrelevant text: p = {p:.3g}.")]


def notes_of(notes: Sequence[str]) -> list[Element]:
    """List the notes, nothing where there are none."""
    return [element("ul", *(element("li", note) for note in notes))] if notes else []
