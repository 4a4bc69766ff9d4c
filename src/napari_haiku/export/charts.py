"""Charts of shifts as SVG: heat map, intervals, volcano."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.export.markup import Element, element

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from typing import Any

    import pandas as pd

    Row = Mapping[Hashable, Any]

LESS, MORE, NEUTRAL, INK, FAINT = "#0B4FA0", "#B34700", "#F5F5F5", "#222222", "#8A8F98"
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
    limit = _limit(shifts["shift"])
    left, top = 180, 110
    width, height = left + max(_CELL_W * len(markers), 180) + 20, top + _CELL_H * len(niches) + 50
    chart = _svg(width, height, "Shift of each marker in each niche")
    for column, marker in enumerate(markers):
        x = left + _CELL_W * (column + 0.6)
        chart.append(_label(marker, x, top - 8, transform=f"rotate(-60 {x:g} {top - 8})"))
    for line, (niche, name) in enumerate(niches.itertuples(index=False)):
        y = top + _CELL_H * line
        chart.append(_label(_short(f"{niche} {name}"), left - 8, y + 16, text_anchor="end"))
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
    limit = _rounded_up(float(np.nanmax(reach)) if np.isfinite(reach).any() else 1.0)
    left, span, top = 260, 420, 16
    height = top + _ROW_H * len(rows) + 46
    chart = _svg(left + span + 90, height, "Largest shifts with 95 % intervals")

    def place(value: float) -> float:
        return left + span * (0.5 + 0.5 * max(-1.0, min(1.0, value / limit)))

    bottom = top + _ROW_H * len(rows)
    chart.append(_line(place(0), top, place(0), bottom, FAINT))
    for line, row in enumerate(rows.to_dict("records")):
        y = top + _ROW_H * (line + 0.5)
        chart.append(_interval_row(row, y, place, left, left + span))
    for value in (-limit, -limit / 2, 0.0, limit / 2, limit):
        chart.append(_label(_signed(value), place(value), bottom + 18, text_anchor="middle"))
    chart.append(
        _label("shift, SD of the atlas", left + span / 2, bottom + 38, text_anchor="middle")
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
    limit = _rounded_up(float(rows["shift"].abs().max()) or 1.0)
    top_value = max(2.0, float(height_of.max()) * 1.05)
    left, top, span, tall = 60, 32, 440, 260
    chart = _svg(left + span + 90, top + tall + 50, "Shift against p of every niche and marker")
    chart.append(_line(left, top + tall, left + span, top + tall, FAINT))
    chart.append(_line(left + span / 2, top, left + span / 2, top + tall, FAINT))
    strongest = set(np.argsort(-height_of, kind="stable")[:10])
    for place, (row, value) in enumerate(zip(rows.to_dict("records"), height_of, strict=True)):
        x = left + span * (0.5 + 0.5 * row["shift"] / limit)
        y = top + tall * (1 - value / top_value)
        strong = bool(row["q"] < _PLACEBO_LEVEL)
        chart.append(
            element(
                "circle",
                element("title", _told(row)),
                cx=x,
                cy=y,
                r=4 if row["supported"] else 3,
                fill=(MORE if row["shift"] > 0 else LESS) if strong else FAINT,
                stroke=INK if row["supported"] else "none",
                opacity=1 if strong else _FAINT_OPACITY,
            )
        )
        if strong and place in strongest:
            chart.append(_label(f"{row['marker']} ({row['niche']})", x + 6, y + 4))
    for value in (-limit, 0.0, limit):
        x = left + span * (0.5 + 0.5 * value / limit)
        chart.append(_label(_signed(value), x, top + tall + 18, text_anchor="middle"))
    for value in range(0, int(top_value) + 1, math.ceil(top_value / 6)):
        y = top + tall * (1 - value / top_value)
        chart.append(_label(f"{value}", left - 8, y + 4, text_anchor="end"))
    chart.append(
        _label("shift, SD of the atlas", left + span / 2, top + tall + 38, text_anchor="middle")
    )
    chart.append(_label("-log10 p", 6, 14))
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
        fill=_colour(row["shift"], limit),
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
    colour = MORE if shift > 0 else LESS
    low, high = row["ci_low"], row["ci_high"]
    if math.isfinite(low) and math.isfinite(high):
        group.append(_line(at(low), y, at(high), y, colour))
    group.append(element("circle", cx=at(shift), cy=y, r=4, fill=colour))
    name = _short(f"{row['marker']} in {row['niche']} {row['niche_name']}", 38)
    group.append(_label(name, left - 10, y + 4, text_anchor="end"))
    group.append(_label(_signed(shift), right + 10, y + 4))
    return group


def _legend(x: float, y: float, limit: float) -> Element:
    group = element("g")
    for step in range(41):
        value = limit * (step - 20) / 20
        bar = {"x": x + 4 * step, "y": y, "width": 4, "height": 10}
        group.append(element("rect", fill=_colour(value, limit), **bar))
    group.append(_label(_signed(-limit), x, y + 26))
    group.append(_label(_signed(limit), x + 164, y + 26, text_anchor="end"))
    return group


def _told(row: Row) -> str:
    parts = [f"{row['marker']} in niche {row['niche']}"]
    for name in ("shift", "ci_low", "ci_high", "p", "q", "placebo_p", "contrast", "contrast_p"):
        value = row[name]
        parts.append(f"{name} {value:.3g}" if math.isfinite(value) else f"{name} not estimable")
    return ", ".join(parts)


def _svg(width: float, height: float, title: str) -> Element:
    return element(
        "svg",
        element("title", title),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        font_family="system-ui, sans-serif",
        font_size=12,
        fill=INK,
    )


def _label(text: str, x: float, y: float, **attributes: object) -> Element:
    return element("text", text, x=float(x), y=float(y), **attributes)


def _line(x0: float, y0: float, x1: float, y1: float, colour: str) -> Element:
    ends = {"x1": float(x0), "y1": float(y0), "x2": float(x1), "y2": float(y1)}
    return element("line", stroke=colour, stroke_width=1.5, **ends)


def _colour(value: float, limit: float) -> str:
    share = max(-1.0, min(1.0, value / limit))
    ends = [int(NEUTRAL[i : i + 2], 16) for i in (1, 3, 5)]
    target = [int((MORE if share > 0 else LESS)[i : i + 2], 16) for i in (1, 3, 5)]
    mixed = [round(a + (b - a) * abs(share)) for a, b in zip(ends, target, strict=True)]
    return "#" + "".join(f"{part:02X}" for part in mixed)


def _limit(values: Sequence[float] | pd.Series) -> float:
    sizes = np.abs(np.asarray(values, float))
    sizes = sizes[np.isfinite(sizes)]
    return _rounded_up(float(np.percentile(sizes, 98)) if sizes.size else 1.0)


def _rounded_up(value: float) -> float:
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}") if value else "0"


def _short(text: str, most: int = 26) -> str:
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
