"""Nested figures of an evaluation as HTML tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_haiku.export.evaluation_charts import BASELINE_WORDS, number, told
from napari_haiku.export.markup import Element, element

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_WORDS = {"he": "H&E", "mif": "mIF", "text": "text"}
MODEL = "model"
# What was measured -> figure -> its value, interval, n and chance.
_Rows = dict[tuple[str, ...], dict[str, dict[str, Any]]]


def is_figure(content: object) -> bool:
    """Tell whether a part of a report is one figure."""
    return isinstance(content, dict) and {"value", "ci", "n", "chance"} <= set(content)


def figures_in(content: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every figure under a part of a report, with the keys that lead to it."""
    if is_figure(content):
        yield (), dict(content)
    for key, value in content.items():
        if isinstance(value, dict):
            for path, figure in figures_in(value):
                yield (str(key), *path), figure


def comparison_table(
    task: Mapping[str, Any], columns: Sequence[str] | None = None, *, skip: Sequence[str] = ()
) -> Element | None:
    """Lay figures out: rows say what was measured and by whom, columns are the figures.

    Parameters
    ----------
    task : mapping
        The task's part of the report, with its ``baselines``.
    columns : sequence of str, optional
        Last keys to show; all by default.
    skip : sequence of str
        First keys to leave out.

    Returns
    -------
    Element or None
        None where there is no such figure.
    """
    tables = _by_whom({name: value for name, value in task.items() if name not in skip}, skip)
    found = [key for rows in tables.values() for cells in rows.values() for key in cells]
    shown = [key for key in dict.fromkeys(columns or found) if key in found]
    if not shown:
        return None
    body = []
    for row in dict.fromkeys(row for rows in tables.values() for row in rows):
        name = _row_name(row)
        for who, rows in tables.items():
            cells = rows.get(row, {})
            if any(key in cells for key in shown):
                body.append(_line(name, who, [cells.get(key) for key in shown]))
                # Said once; the lines below it are of the same.
                name = ""
        model = tables[MODEL].get(row, {})
        chances = [(model.get(key) or {}).get("chance") for key in shown]
        if any(chance is not None for chance in chances):
            told_chances = ("" if chance is None else number(chance) for chance in chances)
            body.append(_plain(["", "chance", *told_chances], "faint"))
    head = element("tr", *(element("th", text) for text in ("", "", *map(words_of, shown))))
    return element("div", element("table", head, *body), class_="wide")


def list_table(task: Mapping[str, Any]) -> Element | None:
    """Lay figures out one a row, with how to read each; for tasks of many single figures."""
    body = []
    for path, figure in figures_in(task):
        if not path:
            continue
        who = "model"
        if "baselines" in path:
            place = path.index("baselines")
            who = BASELINE_WORDS.get(path[place + 1], words_of(path[place + 1]))
            path = path[:place] + path[place + 2 :]
        cells = [
            _row_name(path),
            who,
            told(figure),
            number(figure["chance"]) if figure["chance"] is not None else "",
            f"{figure['n']:,}",
        ]
        kind = "model" if who == "model" else "baseline"
        line = element("tr", *(element("td", cell) for cell in cells), class_=kind)
        line.append(element("td", figure.get("note", ""), class_="note"))
        body.append(line)
    if not body:
        return None
    titles = ("", "", "Value (95 % interval)", "Chance", "n", "")
    head = element("tr", *(element("th", text) for text in titles))
    return element("div", element("table", head, *body), class_="wide")


def words_of(key: str) -> str:
    """Write a key as it is read: "he->mif" as "H&E to mIF"."""
    key = key.replace("|", " and ")
    parts = [
        " + ".join(_WORDS.get(word, word) for word in part.split("+")) for part in key.split("->")
    ]
    text = " to ".join(parts)
    text = " ".join(_WORDS.get(word, word) for word in text.split(" "))
    return text.replace("_", " ")


def _by_whom(task: Mapping[str, Any], skip: Sequence[str]) -> dict[str, _Rows]:
    """Rows of the model and of each baseline, wherever the baselines are nested."""
    tables: dict[str, _Rows] = {MODEL: {}}
    headline = next((key for key, value in task.items() if is_figure(value)), "value")
    for path, figure in figures_in(task):
        who = MODEL
        if "baselines" in path:
            place = path.index("baselines")
            who, path = path[place + 1], path[:place] + path[place + 2 :]
            # A baseline that is one figure stands beside the headline.
            path = path or (headline,)
        if path and path[0] in skip:
            continue
        key = path[-1] if path else "value"
        tables.setdefault(who, {}).setdefault(path[:-1], {})[key] = figure
    return tables


def _line(what: str, who: str, cells: Sequence[Mapping[str, Any] | None]) -> Element:
    name = "model" if who == MODEL else BASELINE_WORDS.get(who, words_of(who))
    out = [element("td", what), element("td", name)]
    for cell in cells:
        if cell is None:
            out.append(element("td", ""))
            continue
        hint = f"n = {cell['n']:,}" + (f". {cell['note']}" if cell.get("note") else "")
        out.append(element("td", told(cell), title=hint))
    return element("tr", *out, class_="model" if who == MODEL else "baseline")


def _plain(cells: Sequence[str], kind: str) -> Element:
    return element("tr", *(element("td", text) for text in cells), class_=kind)


def _row_name(row: tuple[str, ...]) -> str:
    return ", ".join(map(words_of, row))
