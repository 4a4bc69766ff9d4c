"""Charts of shifts as SVG: heat map, intervals, volcano."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.export.drawing import (
    FAINT,
    INK,
    LESS,
    MORE,
    limit_of,
    rounded_up,
    shift_colour,
    shortened,
    signed,
    stroke,
    svg,
    write_at,
)
from napari_haiku.export.markup import Element, element

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from typing import Any

    import pandas as pd

    Row = Mapping[Hashable, Any]

_FAINT_OPACITY = 0.42
_CELL_W, _CELL_H = 34, 24
_ROW_H = 22
_PLACEBO_LEVEL = 0.05


def heat_map(shifts: pd.DataFrame) -> Element:
    """Draw niche by marker, coloured by shift; a dot marks what is supported.

    Parameters
    ----------
    shifts : DataFrame
        The table of shifts. Rows beyond which irrelevant text reaches as far
        (`placebo_p` above 0.05) are faint, rows not estimable are empty frames.
    """
    niches = shifts[["niche", "niche_name"]].drop_duplicates()
    markers = list(dict.fromkeys(shifts["marker"]))
    limit = limit_of(shifts["shift"])
    left, top = 220, 110
    width, height = left + max(_CELL_W * len(markers), 180) + 70, top + _CELL_H * len(niches) + 50
    chart = svg(width, height, "Shift of each marker in each niche")
    for column, marker in enumerate(markers):
        x = left + _CELL_W * (column + 0.6)
        chart.append(write_at(marker, x, top - 8, transform=f"rotate(-60 {x:g} {top - 8})"))
    for line, (niche, name) in enumerate(niches.itertuples(index=False)):
        y = top + _CELL_H * line
        chart.append(write_at(shortened(f"{niche} {name}"), left - 8, y + 16, text_anchor="end"))
        rows = shifts[shifts["niche"] == niche].set_index("marker")
        for column, marker in enumerate(markers):
            chart.append(_cell(rows.loc[marker], left + _CELL_W * column, y, limit))
    chart.append(_legend(left, top + _CELL_H * len(niches) + 18, limit))
    return chart


def interval_chart(shifts: pd.DataFrame, most: int = 25) -> Element:
    """Draw the largest shifts with their intervals and the range of irrelevant text.

    Parameters
    ----------
    shifts : DataFrame
        The table of shifts; rows that are not estimable are left out.
    most : int
        How many rows, the largest first.
    """
    rows = shifts.dropna(subset=["shift"])
    order = rows["shift"].abs().sort_values(ascending=False, kind="stable").index[:most]
    rows = rows.loc[order]
    reach = rows[["shift", "ci_low", "ci_high", "placebo_scale"]].abs().to_numpy(float)
    limit = rounded_up(float(np.nanmax(reach)) if np.isfinite(reach).any() else 1.0)
    left, span, top = 320, 420, 16
    height = top + _ROW_H * len(rows) + 46
    chart = svg(left + span + 90, height, "Largest shifts with 95 % intervals")

    def place(value: float) -> float:
        return left + span * (0.5 + 0.5 * max(-1.0, min(1.0, value / limit)))

    bottom = top + _ROW_H * len(rows)
    chart.append(stroke(place(0), top, place(0), bottom, FAINT))
    for line, row in enumerate(rows.to_dict("records")):
        y = top + _ROW_H * (line + 0.5)
        chart.append(_interval_row(row, y, place, left, left + span))
    for value in (-limit, -limit / 2, 0.0, limit / 2, limit):
        chart.append(write_at(signed(value), place(value), bottom + 18, text_anchor="middle"))
    chart.append(
        write_at("shift, SD of the atlas", left + span / 2, bottom + 38, text_anchor="middle")
    )
    return chart


def volcano(shifts: pd.DataFrame) -> Element | None:
    """Draw shift against -log10 p; None where there is no p.

    Parameters
    ----------
    shifts : DataFrame
        The table of shifts.
    """
    rows = shifts.dropna(subset=["shift", "p"])
    if rows.empty:
        return None
    # A p of exactly 0 has underflowed; it is drawn at the edge.
    height_of = -np.log10(np.maximum(rows["p"].to_numpy(float), 1e-12))
    limit = rounded_up(float(rows["shift"].abs().max()) or 1.0)
    top_value = max(2.0, float(height_of.max()) * 1.05)
    left, top, span, tall = 60, 32, 440, 260
    chart = svg(left + span + 90, top + tall + 50, "Shift against p of every niche and marker")
    chart.append(stroke(left, top + tall, left + span, top + tall, FAINT))
    chart.append(stroke(left + span / 2, top, left + span / 2, top + tall, FAINT))
    supported = rows["supported"].to_numpy(bool)
    strongest = set(np.argsort(-np.where(supported, height_of, -1.0), kind="stable")[:10])
    for place, (row, value) in enumerate(zip(rows.to_dict("records"), height_of, strict=True)):
        x = left + span * (0.5 + 0.5 * row["shift"] / limit)
        y = top + tall * (1 - value / top_value)
        strong = bool(row["supported"])
        chart.append(
            element(
                "circle",
                element("title", _told(row)),
                cx=x,
                cy=y,
                r=4 if strong else 3,
                fill=(MORE if row["shift"] > 0 else LESS) if strong else FAINT,
                stroke=INK if strong else "none",
                opacity=1 if strong else _FAINT_OPACITY,
            )
        )
        if strong and place in strongest:
            chart.append(write_at(f"{row['marker']} ({row['niche']})", x + 6, y + 4))
    for value in (-limit, 0.0, limit):
        x = left + span * (0.5 + 0.5 * value / limit)
        chart.append(write_at(signed(value), x, top + tall + 18, text_anchor="middle"))
    for value in range(0, int(top_value) + 1, math.ceil(top_value / 6)):
        y = top + tall * (1 - value / top_value)
        chart.append(write_at(f"{value}", left - 8, y + 4, text_anchor="end"))
    chart.append(
        write_at("shift, SD of the atlas", left + span / 2, top + tall + 38, text_anchor="middle")
    )
    chart.append(write_at("-log10 p", 6, 14))
    return chart


def _cell(row: pd.Series, x: float, y: float, limit: float) -> Element:
    told = element("title", _told({**dict(row), "marker": row.name}))
    frame = {"x": x + 1, "y": y + 1, "width": _CELL_W - 2, "height": _CELL_H - 2}
    if not np.isfinite(row["shift"]):
        hollow = element("rect", told, fill="none", stroke=FAINT, stroke_dasharray="2 3", **frame)
        return element("g", hollow)
    faint = bool(row["placebo_p"] > _PLACEBO_LEVEL)
    cell = element(
        "rect",
        told,
        fill=shift_colour(row["shift"], limit),
        opacity=_FAINT_OPACITY if faint else 1,
        **frame,
    )
    group = element("g", cell)
    if row["supported"]:
        middle = {"cx": x + _CELL_W / 2, "cy": y + _CELL_H / 2, "r": 3.5}
        group.append(element("circle", fill="#FFFFFF", stroke=INK, **middle))
    return group


def _interval_row(
    row: Row, y: float, at: Callable[[float], float], left: float, right: float
) -> Element:
    shift, scale = row["shift"], row["placebo_scale"]
    faint = row["placebo_p"] > _PLACEBO_LEVEL
    group = element("g", element("title", _told(row)), opacity=_FAINT_OPACITY if faint else 1)
    if math.isfinite(scale):
        x0, x1 = at(-2 * scale), at(2 * scale)
        band = {"x": x0, "y": y - 8, "width": x1 - x0, "height": 16}
        group.append(element("rect", fill="#D9DCE1", **band))
    # Colour is for findings: a row that is not supported must not look like one.
    colour = (MORE if shift > 0 else LESS) if row["supported"] else FAINT
    low, high = row["ci_low"], row["ci_high"]
    if math.isfinite(low) and math.isfinite(high):
        group.append(stroke(at(low), y, at(high), y, colour))
    inside = colour if row["supported"] else "#FFFFFF"
    dot = {"fill": inside, "stroke": colour, "stroke_width": 1.5}
    group.append(element("circle", cx=at(shift), cy=y, r=4, **dot))
    name = shortened(f"{row['marker']} in {row['niche']} {row['niche_name']}", 42)
    group.append(write_at(name, left - 10, y + 4, text_anchor="end"))
    group.append(write_at(signed(shift), right + 10, y + 4))
    return group


def _legend(x: float, y: float, limit: float) -> Element:
    group = element("g")
    for step in range(41):
        value = limit * (step - 20) / 20
        bar = {"x": x + 4 * step, "y": y, "width": 4, "height": 10}
        group.append(element("rect", fill=shift_colour(value, limit), **bar))
    group.append(write_at(signed(-limit), x, y + 26))
    group.append(write_at(signed(limit), x + 164, y + 26, text_anchor="end"))
    return group


def _told(row: Row) -> str:
    parts = [f"{row['marker']} in niche {row['niche']}"]
    for name in ("shift", "ci_low", "ci_high", "p", "q", "placebo_p", "contrast", "contrast_p"):
        value = row[name]
        parts.append(f"{name} {value:.3g}" if math.isfinite(value) else f"{name} not estimable")
    return ", ".join(parts)
