"""Charts of an evaluation as SVG: values with intervals, chance and baselines; curves."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_haiku.export.drawing import (
    FAINT,
    INK,
    LESS,
    MORE,
    stroke,
    svg,
    write_at,
)
from napari_haiku.export.markup import Element, element

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CEILING = "#2E7D32"
BASELINE_COLOURS = {"random": FAINT, "hand_made": MORE, "hand_made_ridge": MORE}
BASELINE_WORDS = {
    "random": "random vectors",
    "hand_made": "hand-made features",
    "hand_made_ridge": "hand-made features, ridge",
    "ceiling": "ceiling",
}
_ROW, _SPAN, _TOP = 22, 460, 12


@dataclass(frozen=True)
class ChartRow:
    """One line of a chart.

    Parameters
    ----------
    name : str
        What is measured.
    figure : mapping
        Value, interval, n and chance.
    beside : mapping of str to mapping
        Figures of baselines, and of the ceiling, by name.
    """

    name: str
    figure: Mapping[str, Any]
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def value_chart(title: str, rows: Sequence[ChartRow], axis: str) -> Element | None:
    """Draw each value with its 95 % interval, a bar for chance and marks for baselines.

    Parameters
    ----------
    title : str
        Read out where the picture cannot be seen.
    rows : sequence of ChartRow
        From top to bottom; rows without a value are left out.
    axis : str
        What the axis measures.

    Returns
    -------
    Element or None
        None where no row has a value.
    """
    rows = [row for row in rows if row.figure.get("value") is not None]
    if not rows:
        return None
    low, high = _range(rows)
    left = 24 + 7 * max(len(row.name) for row in rows)
    bottom = _TOP + _ROW * len(rows)
    height = bottom + 62
    chart = svg(left + _SPAN + 190, height, title)

    def place(value: float) -> float:
        return left + _SPAN * (min(max(value, low), high) - low) / (high - low)

    for tick in _ticks(low, high):
        x = place(tick)
        chart.append(stroke(x, _TOP, x, bottom, "#E4E6EA"))
        chart.append(write_at(f"{tick:g}", x, bottom + 16, text_anchor="middle"))
    if low < 0 < high:
        chart.append(stroke(place(0), _TOP, place(0), bottom, FAINT))
    for line, row in enumerate(rows):
        y = _TOP + _ROW * (line + 0.5)
        chart.append(write_at(row.name, left - 10, y + 4, text_anchor="end"))
        _draw(chart, row, y, place)
        chart.append(write_at(told(row.figure), left + _SPAN + 10, y + 4))
    chart.append(write_at(axis, left + _SPAN / 2, bottom + 34, text_anchor="middle"))
    _legend(chart, rows, left, bottom + 52)
    return chart


def step_chart(
    title: str, curves: Mapping[str, Sequence[Sequence[float]]], x_axis: str, y_axis: str
) -> Element | None:
    """Draw curves that fall in steps from 1, such as survival.

    Parameters
    ----------
    title : str
        Read out where the picture cannot be seen.
    curves : mapping
        Name -> (x, y) points in order of x.
    x_axis, y_axis : str
        What the axes measure.
    """
    drawn = {name: points for name, points in curves.items() if len(points)}
    if not drawn:
        return None
    longest = max(float(points[-1][0]) for points in drawn.values()) or 1.0
    left, tall = 56, 220
    chart = svg(left + _SPAN + 120, _TOP + tall + 46, title)
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _TOP + tall * (1 - tick)
        chart.append(stroke(left, y, left + _SPAN, y, "#E4E6EA"))
        chart.append(write_at(f"{tick:g}", left - 8, y + 4, text_anchor="end"))
    for tick in _ticks(0, longest):
        x = left + _SPAN * tick / longest
        chart.append(write_at(f"{tick:g}", x, _TOP + tall + 16, text_anchor="middle"))
    for number, (name, points) in enumerate(drawn.items()):
        colour = (LESS, MORE, CEILING, INK)[number % 4]
        path, height = f"M {left} {_TOP}", 1.0
        for x_value, y_value in points:
            x = left + _SPAN * float(x_value) / longest
            path += f" L {x:.1f} {_TOP + tall * (1 - height):.1f}"
            height = float(y_value)
            path += f" L {x:.1f} {_TOP + tall * (1 - height):.1f}"
        chart.append(element("path", d=path, fill="none", stroke=colour, stroke_width=2))
        end = _TOP + tall * (1 - height) + 4
        chart.append(write_at(name, left + _SPAN + 8, end, fill=colour))
    chart.append(write_at(x_axis, left + _SPAN / 2, _TOP + tall + 36, text_anchor="middle"))
    chart.append(write_at(y_axis, left, _TOP - 2))
    return chart


def told(figure: Mapping[str, Any]) -> str:
    """Write a value and its interval."""
    text = number(figure.get("value"))
    limits = figure.get("ci")
    if limits is not None:
        text += f" ({number(limits[0])} to {number(limits[1])})"
    return text


def number(value: float | None) -> str:
    """Write a number with the digits that matter; "n/a" where there is none."""
    if value is None:
        return "n/a"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 3
    return f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _draw(chart: Element, row: ChartRow, y: float, place: Any) -> None:
    figure = row.figure
    said = f"{row.name}: {told(figure)}, chance {number(figure.get('chance'))}"
    group = element("g", element("title", said))
    chance = figure.get("chance")
    if chance is not None:
        group.append(
            element("rect", x=place(chance) - 1.5, y=y - 8.0, width=3, height=16, fill="#B9BEC6")
        )
    limits = figure.get("ci")
    if limits is not None:
        group.append(stroke(place(limits[0]), y, place(limits[1]), y, LESS))
    for name, other in row.beside.items():
        value = other.get("value")
        if value is None:
            continue
        x = place(value)
        if name == "ceiling":
            group.append(stroke(x, y - 8, x, y + 8, CEILING))
        else:
            colour = BASELINE_COLOURS.get(name, FAINT)
            group.append(
                element(
                    "circle", cx=x, cy=y, r=3.5, fill="#FFFFFF", stroke=colour, stroke_width=1.5
                )
            )
    group.append(element("circle", cx=place(figure["value"]), cy=y, r=4.5, fill=LESS))
    chart.append(group)


def _legend(chart: Element, rows: Sequence[ChartRow], x: float, y: float) -> None:
    entries: list[tuple[str, str, str]] = [("dot", LESS, "model, 95 % interval")]
    if any(row.figure.get("chance") is not None for row in rows):
        entries.append(("bar", "#B9BEC6", "chance"))
    for name in dict.fromkeys(name for row in rows for name in row.beside):
        colour = CEILING if name == "ceiling" else BASELINE_COLOURS.get(name, FAINT)
        entries.append(
            ("tick" if name == "ceiling" else "ring", colour, BASELINE_WORDS.get(name, name))
        )
    for kind, colour, words in entries:
        if kind in ("bar", "tick"):
            width = 3 if kind == "bar" else 1.5
            chart.append(element("rect", x=x, y=y - 10, width=width, height=12, fill=colour))
        else:
            inside = colour if kind == "dot" else "#FFFFFF"
            chart.append(element("circle", cx=x + 3, cy=y - 4, r=4, fill=inside, stroke=colour))
        chart.append(write_at(words, x + 12, y))
        x += 24 + 6.6 * len(words)


def _range(rows: Sequence[ChartRow]) -> tuple[float, float]:
    values = [0.0]
    for row in rows:
        shown = [row.figure, *row.beside.values()]
        values += [f["value"] for f in shown if f.get("value") is not None]
        values += [f["chance"] for f in (row.figure,) if f.get("chance") is not None]
        values += list(row.figure.get("ci") or ())
    low, high = min(values), max(values)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= -1 and high <= 1:
        return -1.0 if low < -0.5 else -0.5, 1.0
    room = (high - low) * 0.05 or 1.0
    return (0.0 if low >= 0 else low - room), high + room


def _ticks(low: float, high: float) -> list[float]:
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]
