"""Nested figures of an evaluation as HTML tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_haiku.export.evaluation_charts import BASELINE_WORDS, number, told
from napari_haiku.export.markup import Element, element

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_WORDS = {"he": "H&E", "mif": "mIF", "text": "text"}
MODEL = "model"


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
    measured = {name: value for name, value in task.items() if name not in ("baselines", *skip)}
    tables = {MODEL: _rows(measured)}
    for name, baseline in (task.get("baselines") or {}).items():
        tables[name] = _rows({key: value for key, value in baseline.items() if key not in skip})
    found = [key for rows in tables.values() for cells in rows.values() for key in cells]
    shown = [key for key in dict.fromkeys(columns or found) if key in found]
    if not shown:
        return None
    body = []
    for row in dict.fromkeys(row for rows in tables.values() for row in rows):
        for who, rows in tables.items():
            cells = rows.get(row, {})
            if any(key in cells for key in shown):
                body.append(_line(row, who, [cells.get(key) for key in shown]))
        model = tables[MODEL].get(row, {})
        chances = [(model.get(key) or {}).get("chance") for key in shown]
        if any(chance is not None for chance in chances):
            body.append(
                _plain([_row_name(row), "chance", *(number(chance) for chance in chances)], "faint")
            )
    head = element("tr", *(element("th", text) for text in ("", "", *map(words_of, shown))))
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


def _rows(
    content: Mapping[str, Any],
) -> dict[tuple[str, ...], dict[str, dict[str, Any]]]:
    rows: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
    for path, figure in figures_in(content):
        rows.setdefault(path[:-1], {})[path[-1] if path else "value"] = figure
    return rows


def _line(row: tuple[str, ...], who: str, cells: Sequence[Mapping[str, Any] | None]) -> Element:
    name = "model" if who == MODEL else BASELINE_WORDS.get(who, who)
    out = [element("td", _row_name(row)), element("td", name)]
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
