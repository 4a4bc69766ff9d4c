"""Charts of shifts over patients and patches as SVG: pairs, groups, principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.cohort.cohort_tests import group_shifts
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
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

GROUPS = ("#0B4FA0", "#B34700", "#3C7A3C", "#7A3C8C", "#8A6D00", "#007A87", "#A0306A", "#5A5A5A")
_MOST_POINTS = 1500
_ROW_H = 22


def paired_chart(shifts: pd.DataFrame, most: int = 15) -> Element:
    """Draw baseline and edited read-out of the largest shifts, a line between them.

    Parameters
    ----------
    shifts : DataFrame
        The table of shifts; rows that are not estimable are left out.
    most : int
        How many rows, the largest first.
    """
    rows = shifts.dropna(subset=["shift", "baseline", "counterfactual"])
    order = rows["shift"].abs().sort_values(ascending=False, kind="stable").index[:most]
    rows = rows.loc[order]
    ends = rows[["baseline", "counterfactual"]].to_numpy(float)
    limit = rounded_up(float(np.abs(ends).max()) if ends.size else 1.0)
    left, span, top = 320, 420, 16
    bottom = top + _ROW_H * len(rows)
    chart = svg(left + span + 40, bottom + 46, "Read-out before and after the edit")

    def place(value: float) -> float:
        return left + span * (0.5 + 0.5 * value / limit)

    chart.append(stroke(place(0), top, place(0), bottom, FAINT))
    for number, row in enumerate(rows.to_dict("records")):
        y = top + _ROW_H * (number + 0.5)
        start, end = place(row["baseline"]), place(row["counterfactual"])
        colour = (MORE if row["shift"] > 0 else LESS) if row["supported"] else FAINT
        told = f"{row['marker']} in {row['niche']} {row['niche_name']}"
        said = element("title", f"{told}: {row['baseline']:.3g} to {row['counterfactual']:.3g}")
        group = element("g", said, stroke(start, y, end, y, colour))
        group.append(element("circle", cx=start, cy=y, r=4, fill="#FFFFFF", stroke=colour))
        group.append(element("circle", cx=end, cy=y, r=4, fill=colour))
        group.append(write_at(shortened(told, 42), left - 10, y + 4, text_anchor="end"))
        chart.append(group)
    for value in (-limit, 0.0, limit):
        chart.append(write_at(signed(value), place(value), bottom + 18, text_anchor="middle"))
    chart.append(
        write_at(
            "read-out, SD from the atlas mean", left + span / 2, bottom + 38, text_anchor="middle"
        )
    )
    return chart


def cluster_map(
    values: NDArray[Any], rows: Sequence[str], columns: Sequence[str], title: str
) -> Element:
    """Draw a matrix in the order given, coloured by value; NaN is an empty frame.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        Colours reach their full strength at the 98th percentile of the size.
    rows, columns : sequence of str
        Names.
    title : str
        What is drawn.
    """
    tall = 18 if len(rows) <= 40 else max(4, 720 // len(rows))
    wide, left, top = 30, 220, 100
    limit = limit_of([float(value) for value in np.ravel(values)])
    chart = svg(left + wide * len(columns) + 70, top + tall * len(rows) + 20, title)
    for column, name in enumerate(columns):
        x = left + wide * (column + 0.6)
        chart.append(write_at(name, x, top - 8, transform=f"rotate(-60 {x:g} {top - 8})"))
    for line, name in enumerate(rows):
        y = top + tall * line
        if tall >= 12:
            chart.append(write_at(shortened(name), left - 8, y + tall / 2 + 4, text_anchor="end"))
        for column, marker in enumerate(columns):
            value = float(values[line, column])
            box = {"x": left + wide * column, "y": y, "width": wide - 1, "height": tall - 1}
            known = bool(np.isfinite(value))
            said = element(
                "title", f"{name}, {marker}: {value:.3g}" if known else f"{name}, {marker}"
            )
            fill = shift_colour(value, limit) if known else "none"
            chart.append(element("rect", said, fill=fill, **box))
    return chart


def clustered_shifts(shifts: pd.DataFrame) -> Element | None:
    """Draw niches and markers in the order of their likeness: average linkage on correlation.

    Parameters
    ----------
    shifts : DataFrame
        The table of shifts. Markers that are estimable in no niche are left out.

    Returns
    -------
    Element or None
        None with fewer than three niches or three markers to order.
    """
    table = shifts.pivot_table("shift", ["niche", "niche_name"], "marker", sort=False)
    table = table.dropna(axis=0, how="all").dropna(axis=1, how="all")
    groups = group_shifts(table.to_numpy(float))
    if groups is None:
        return None
    ordered = table.iloc[groups.patients, groups.markers]
    rows = [f"{number} {name}" for number, name in ordered.index]
    return cluster_map(
        ordered.to_numpy(float), rows, [str(name) for name in ordered.columns], "Clustered shifts"
    )


def scatter(
    points: NDArray[Any], groups: Sequence[str], labels: tuple[str, str], title: str
) -> Element:
    """Draw points by group; of many points a spread-out part.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Where.
    groups : sequence of str, length n
        Group of each point, named in the legend.
    labels : tuple of str
        What the axes are.
    title : str
        What is drawn.
    """
    kept = np.unique(np.linspace(0, len(points) - 1, min(len(points), _MOST_POINTS)).astype(int))
    names = sorted(set(groups))
    left, top, side = 60, 16, 340
    chart = svg(left + side + 230, top + side + 50, title)
    limit = rounded_up(float(np.abs(points).max())) if len(points) else 1.0
    middle = (left + side / 2, top + side / 2)
    chart.append(stroke(left, middle[1], left + side, middle[1], FAINT))
    chart.append(stroke(middle[0], top, middle[0], top + side, FAINT))
    for place in kept:
        x, y = (float(value) for value in points[place])
        chart.append(
            element(
                "circle",
                cx=middle[0] + side / 2 * x / limit,
                cy=middle[1] - side / 2 * y / limit,
                r=3,
                fill=GROUPS[names.index(groups[place]) % len(GROUPS)],
                opacity=0.6,
            )
        )
    for number, name in enumerate(names):
        y = top + 12 + 18 * number
        colour = GROUPS[number % len(GROUPS)]
        chart.append(element("circle", cx=left + side + 24, cy=y, r=4, fill=colour, stroke=INK))
        chart.append(write_at(shortened(name), left + side + 36, y + 4))
    chart.append(write_at(labels[0], middle[0], top + side + 30, text_anchor="middle"))
    chart.append(write_at(labels[1], 6, top + 4))
    return chart


def principal_components(
    values: NDArray[Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]] | None:
    """Project complete rows on their first two principal components.

    Returns
    -------
    points : ndarray, shape (used, 2)
    explained : ndarray, shape (2,)
        Share of the variance of each.
    used : ndarray of bool, shape (rows,)
        None as a whole where fewer than three rows or two columns vary.
    """
    data = np.asarray(values, np.float64)
    data = data[:, np.isfinite(data).any(axis=0)]
    used = np.isfinite(data).all(axis=1)
    if used.sum() < 3 or data.shape[1] < 2:
        return None
    centred = data[used] - data[used].mean(axis=0)
    u, size, axes = np.linalg.svd(centred, full_matrices=False)
    total = float((size**2).sum())
    if total <= 0:
        return None
    sign = np.sign(axes[np.arange(2), np.abs(axes[:2]).argmax(axis=1)])
    points: NDArray[np.float64] = u[:, :2] * size[:2] * sign
    return points, size[:2] ** 2 / total, np.asarray(used, bool)
