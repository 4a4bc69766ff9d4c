"""The evaluation report: one self-contained page of figures with intervals and chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_haiku.export.evaluation_charts import ChartRow, number, step_chart, told, value_chart
from napari_haiku.export.evaluation_tables import (
    comparison_table,
    is_figure,
    list_table,
    words_of,
)
from napari_haiku.export.markup import Element, element, page
from napari_haiku.export.report_style import STYLE
from napari_haiku.notices import ASSOCIATION, RESEARCH_USE
from napari_haiku.storage import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_STYLE = (
    STYLE
    + """
tr.model td { font-weight: 600; } tr.baseline td { color: #55585E; }
td.note { color: #55585E; white-space: normal; font-weight: 400; min-width: 260px; }
summary { cursor: pointer; color: #0B4FA0; margin: 6px 0; }
td[title] { cursor: help; } svg { max-width: 100%; height: auto; }
"""
)
_HEADLINES = (
    ("H&E to mIF, R@50", ("retrieval", "he->mif", "R@50")),
    ("mIF to H&E, R@50", ("retrieval", "mif->he", "R@50")),
    ("H&E to text, R@1", ("retrieval", "he->text", "R@1")),
    ("Biomarkers, mean r", ("biomarkers", "mean_r")),
    ("Survival, C-index", ("survival", "c_index")),
    ("Counterfactual, sign accuracy", ("counterfactual", "sign_accuracy")),
    ("Counterfactual, Spearman", ("counterfactual", "spearman")),
    ("Flip accuracy", ("flip_accuracy",)),
)
_TITLES = {
    "retrieval": "Retrieval",
    "biomarkers": "Biomarker inference",
    "knn": "Classification by neighbours",
    "zero_shot": "Zero-shot classification",
    "linear_probe": "Linear probe",
    "mil": "Classification of whole slides",
    "survival": "Survival",
    "counterfactual": "Counterfactual recovery",
    "flip_accuracy": "Flip accuracy",
    "robustness": "Robustness to site and scanner",
    "geometry": "Geometry of the shared space",
}
_SAYS = {
    "retrieval": (
        "Where the true counterpart of each patch stands among all candidates. It is the patch's "
        "own, so the own patient is in the gallery here, and only here. Captions belong to "
        "patients: there, any patch or caption of the own patient is right."
    ),
    "biomarkers": (
        "Pearson r between measured and predicted intensity over all patches; the prediction is "
        "read off the neighbours of other patients, as the command biomarkers does."
    ),
    "knn": "The classes of the most similar patches of other patients vote.",
    "zero_shot": "The class whose sentence lies nearest to the patch; nothing is fitted.",
    "linear_probe": (
        "A linear classifier, tuned and tested on patients that it was not fitted on; the model "
        "and the baselines are tuned alike."
    ),
    "robustness": (
        "Balanced accuracy with which a linear probe reads the place and the biology off the "
        "vectors, and the share of nearest patches that come from the query's own place. A robust "
        "model reads biology and stays at chance for places."
    ),
    "geometry": (
        "How the modalities lie in the shared space: their gap, how evenly they spread, how alike "
        "their neighbourhoods are, and whether one way works better than the other."
    ),
    "counterfactual": ASSOCIATION,
    "flip_accuracy": (
        "Whether a slide's H&E is nearer to its own record than to the record with one field "
        "changed."
    ),
}
_COLUMNS: dict[str, tuple[str, ...]] = {
    "knn": ("accuracy@10", "macro_f1@10", "balanced_accuracy@10", "patient_balanced_accuracy"),
    "linear_probe": ("accuracy", "macro_f1", "balanced_accuracy", "patient_balanced_accuracy"),
    "zero_shot": ("accuracy", "macro_f1", "balanced_accuracy", "patient_balanced_accuracy"),
}
# The figure of each task's chart, where a task is a table of fields.
_CHARTED = {
    "knn": ("balanced_accuracy@10", "balanced accuracy, 10 neighbours"),
    "linear_probe": ("balanced_accuracy", "balanced accuracy"),
    "zero_shot": ("balanced_accuracy", "balanced accuracy"),
}


def write_evaluation_report(path: Path, content: Mapping[str, Any]) -> None:
    """Write the report of an evaluation as one HTML file that needs nothing else.

    Parameters
    ----------
    path : Path
        File to write; replaced in one step.
    content : mapping
        What `report.json` holds; it names no patient.

    Raises
    ------
    HaikuError
        The file cannot be written.
    """
    write_text(path, evaluation_report(content))


def evaluation_report(content: Mapping[str, Any]) -> str:
    """Compose the report; see :func:`write_evaluation_report`."""
    about = content["about"]
    title = f"Evaluation of {about['model']}"
    banner = [element("p", RESEARCH_USE, class_="research")]
    banner += [element("p", text, class_="caution") for text in _cautions(about)]
    sections = [_glance(content)]
    sections += [_section(name, task) for name, task in content.items() if name != "about" and task]
    return page(
        title,
        _STYLE,
        element("header", element("h1", title), *banner, element("p", _of_what(about))),
        element("main", *sections, _left_out(about), _reading(about)),
        element("footer", f"{RESEARCH_USE}."),
    )


def _cautions(about: Mapping[str, Any]) -> list[str]:
    said = [about["protocol_says"]]
    if about.get("seen_in_training"):
        said.append(about["seen_in_training"])
    if about.get("virtual"):
        said.append("Virtual tissue: these figures say nothing about patients.")
    return said


def _of_what(about: Mapping[str, Any]) -> str:
    text = (
        f"{about['patients']:,} patients, {about['slides']:,} slides, {about['patches']:,} patches"
    )
    if about.get("gallery"):
        text += f" (a gallery of exactly {about['gallery']:,}, drawn by seed {about['seed']})"
    if about.get("fitted_on_patients"):
        text += f"; heads fitted on {about['fitted_on_patients']:,} other patients"
    return f"{text}. Atlas {about['atlas']}, model {about['model_fingerprint'][:8]}."


def _glance(content: Mapping[str, Any]) -> Element:
    lines = []
    for name, path in _HEADLINES:
        figure = _at(content, path)
        if figure is None or figure["value"] is None:
            continue
        baselines = _baselines(content, path)
        cells = [
            name,
            told(figure),
            number(figure["chance"]),
            *(number((baselines.get(who) or {}).get("value")) for who in ("random", "hand_made")),
        ]
        lines.append(element("tr", *(element("td", text) for text in cells)))
    if not lines:
        return element("section")
    head = ("", "Model (95 % interval)", "Chance", "Random vectors", "Hand-made features")
    table = element("table", element("tr", *(element("th", text) for text in head)), *lines)
    return element("section", element("h2", "At a glance"), element("div", table, class_="wide"))


def _section(name: str, task: Mapping[str, Any]) -> Element:
    section = element("section", element("h2", _TITLES.get(name, words_of(name))), id=name)
    if name in _SAYS:
        section.append(element("p", _SAYS[name]))
    if is_figure(task):
        section.append(_chart(value_chart(name, [ChartRow(_TITLES.get(name, name), task)], "")))
    for part in _PARTS.get(name, _generic)(name, task):
        section.append(part)
    return section


def _retrieval(name: str, task: Mapping[str, Any]) -> list[Element]:
    directions = [key for key in task if "->" in key]
    rows = [
        ChartRow(words_of(key), task[key]["R@50"], _beside(task, (key, "R@50")))
        for key in directions
    ]
    parts = [_chart(value_chart("Recall at 50 of each direction", rows, "R@50"))]
    parts.append(_table(comparison_table(task, skip=("by_label",))))
    labels = task.get("by_label") or {}
    if "skipped" in labels:
        parts.append(element("p", labels["skipped"]))
    elif labels:
        parts.append(element("h3", "By label, own patient out"))
        figures = comparison_table(labels, ("P@10", "mAP", "nDCG", "MRR"))
        parts.append(_folded("Precision and rank of each field", figures))
    return parts


def _biomarkers(name: str, task: Mapping[str, Any]) -> list[Element]:
    ridge = (task.get("baselines") or {}).get("hand_made_ridge", {}).get("per_marker", {})
    ceiling = task.get("ceiling_per_marker") or {}
    rows = []
    for marker, figure in sorted(
        task["per_marker"].items(), key=lambda entry: -(entry[1]["value"] or -1)
    ):
        beside = {"hand_made_ridge": ridge.get(marker), "ceiling": ceiling.get(marker)}
        rows.append(
            ChartRow(marker, figure, {key: value for key, value in beside.items() if value})
        )
    heads = {key: value for key, value in task.items() if is_figure(value)}
    baselines = {
        who: {"mean_r": figures["mean_r"]} for who, figures in (task.get("baselines") or {}).items()
    }
    return [
        _table(comparison_table({**heads, "baselines": baselines})),
        _chart(value_chart("Pearson r of each marker", rows, "Pearson r")),
    ]


def _fields(name: str, task: Mapping[str, Any]) -> list[Element]:
    key, axis = _CHARTED[name]
    rows = [
        ChartRow(words_of(f"{field}, {way}"), figures[key], _beside(task, (field, way, key)))
        for field, ways in task.items()
        if field != "baselines"
        for way, figures in ways.items()
        if isinstance(figures, dict) and key in figures
    ]
    return [
        _chart(value_chart(f"{_TITLES[name]}: {axis}", rows, axis)),
        _folded("All figures", comparison_table(task, _COLUMNS[name])),
    ]


def _robustness(name: str, task: Mapping[str, Any]) -> list[Element]:
    rows = []
    for modality, part in task.items():
        if modality == "baselines":
            continue
        for kind in ("place", "biology"):
            for field, figure in part[kind].items():
                beside = _beside(task, (modality, kind, field))
                rows.append(ChartRow(f"{words_of(modality)}: {words_of(field)}", figure, beside))
    axis = "balanced accuracy"
    return [
        _chart(value_chart("Places and biology read off the vectors", rows, axis)),
        _folded("All figures", list_table(task)),
    ]


def _geometry(name: str, task: Mapping[str, Any]) -> list[Element]:
    parts = []
    baselines = task.get("baselines") or {}
    for key, value in task.items():
        if key == "baselines" or not isinstance(value, dict):
            continue
        beside = {who: {key: part[key]} for who, part in baselines.items() if key in part}
        table = comparison_table({key: value, "baselines": beside})
        if table is not None:
            parts += [element("h3", words_of(key).capitalize()), table]
    return parts


def _survival(name: str, task: Mapping[str, Any]) -> list[Element]:
    beside = dict((task.get("baselines") or {}).items())
    if is_figure(task.get("oracle_c_index")):
        beside["ceiling"] = task["oracle_c_index"]
    rows = [ChartRow("best head", task["c_index"], beside)]
    inputs = task.get("inputs") or {}
    rows += [ChartRow(words_of(key), figure) for key, figure in inputs.items()]
    return [
        _chart(value_chart("C-index of each input", rows, "C-index")),
        *_generic(name, task),
    ]


def _generic(name: str, task: Mapping[str, Any]) -> list[Element]:
    curves = task.get("kaplan_meier")
    parts = []
    if isinstance(curves, dict):
        points = {
            f"{words_of(key)} ({curve['patients']:,})": list(
                zip(curve["time"], curve["survival"], strict=True)
            )
            for key, curve in curves.items()
            if isinstance(curve, dict) and "survival" in curve
        }
        title = "Kaplan-Meier curves"
        parts.append(_chart(step_chart(title, points, "months", "share event-free")))
        parts.append(element("p", f"{title}, split at the {curves.get('split', 'median risk')}."))
    return [*parts, _table(list_table(task))]


_PARTS = {
    "retrieval": _retrieval,
    "biomarkers": _biomarkers,
    "knn": _fields,
    "zero_shot": _fields,
    "linear_probe": _fields,
    "robustness": _robustness,
    "geometry": _geometry,
    "survival": _survival,
}


def _left_out(about: Mapping[str, Any]) -> Element:
    skipped = about.get("skipped") or {}
    if not skipped:
        return element("section")
    items = [
        element("li", element("strong", _TITLES.get(name, name)), f": {reason}")
        for name, reason in skipped.items()
    ]
    return element("section", element("h2", "Left out"), element("ul", *items))


def _reading(about: Mapping[str, Any]) -> Element:
    texts = [
        (
            f"Intervals are 95 % bootstrap intervals over patients ({about['resamples']:,} "
            "resamples): whole patients are drawn, so that the many patches of one patient do not "
            "count as many patients. They do not cover the choice of gallery or of training data."
        ),
        (
            "Chance is what a ranking in random order, or always saying the most frequent class "
            "(accuracy), or guessing (balanced accuracy, macro-F1), would reach on these patches."
        ),
        f"Seed {about['seed']}. A value's number of cases stands in its hint.",
    ]
    return element(
        "section", element("h2", "How to read this"), *(element("p", text) for text in texts)
    )


def _beside(task: Mapping[str, Any], path: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for who, baseline in (task.get("baselines") or {}).items():
        figure = _at(baseline, path)
        if figure is not None:
            found[who] = figure
    return found


def _baselines(content: Mapping[str, Any], path: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    task = content.get(path[0])
    return _beside(task, path[1:]) if isinstance(task, dict) and len(path) > 1 else {}


def _at(content: Any, path: Sequence[str]) -> dict[str, Any] | None:
    for key in path:
        content = content.get(key) if isinstance(content, dict) else None
    return content if is_figure(content) else None


def _chart(chart: Element | None) -> Element:
    return element("div", *([chart] if chart is not None else []), class_="chart")


def _folded(title: str, table: Element | None) -> Element:
    """Wrap a long table, so that it opens on demand."""
    if table is None:
        return element("div")
    return element("details", element("summary", title), table)


def _table(table: Element | None) -> Element:
    return table if table is not None else element("div")
