"""The counterfactual report: one self-contained page with the edit, the evidence and the limits."""

from __future__ import annotations

import base64
import io
import math
from typing import TYPE_CHECKING, Any

from napari_haiku.analysis.counterfactual.published_test import LABEL
from napari_haiku.export.charts import heat_map, interval_chart, volcano
from napari_haiku.export.markup import Element, element, page
from napari_haiku.export.report_parts import (
    COMPUTED,
    figure,
    notes_of,
    number,
    plain,
    range_of,
    table_of,
    whole_edit,
)
from napari_haiku.export.report_style import STYLE
from napari_haiku.export.report_summary import in_short
from napari_haiku.export.shift_charts import (
    clustered_shifts,
    paired_chart,
    principal_components,
    scatter,
)
from napari_haiku.notices import RESEARCH_USE
from napari_haiku.storage import write_text

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from pathlib import Path

    from napari_haiku.analysis.counterfactual.counterfactual_result import CounterfactualResult
    from napari_haiku.atlas.store import Atlas

NO_MORE_THAN_PLACEBO = "This edit moved the result no more than irrelevant text does."
NO_MORE_THAN_WORDING = (
    "This edit moved the result no more than another wording of the same record does."
)
_EVIDENCE = 12
_A_PATIENT = 2
_PLACEBO_LEVEL = 0.05
_LIMITS = (
    (
        "Sign and order of the shifts can be read; their size cannot. It grows and shrinks with "
        "the number of neighbours and the weight of the text, and is no expected change."
    ),
    (
        "Shifts spill into niches and markers that have no effect of their own: a row says that "
        "the text moves retrieval this way, not that the effect sits in this niche."
    ),
    (
        "The 95 % interval says how the shift would repeat with another atlas of as many patients "
        "and this same model. It does not cover what would happen in tissue."
    ),
    "The tissue interval says how even the shift is over this slide. It is no evidence.",
    (
        "The atlas contrast compares other patients with and without the edited value, without "
        'any text. A row is called "supported" when q is below 0.05 and the contrast agrees in '
        "sign with p below 0.05."
    ),
    (
        "A patient's tissue is not compared with itself at two times: nothing here says that this "
        "patient's tissue would change."
    ),
)
_COLUMNS = (
    ("niche_name", "Niche"),
    ("marker", "Marker"),
    ("n", "Patches"),
    ("baseline", "Baseline"),
    ("counterfactual", "Edited"),
    ("shift", "Shift"),
    ("ci", "95 % interval"),
    ("p", "p"),
    ("q", "q"),
    ("placebo_p", "Placebo p"),
    ("tissue", "Tissue interval"),
    ("contrast", "Atlas contrast"),
    ("contrast_p", "Contrast p"),
    ("supported", "Supported"),
    ("wording_sd", "SD over wordings"),
    ("published_p", "Published p"),
)


def write_counterfactual_report(path: Path, result: CounterfactualResult, atlas: Atlas) -> None:
    """Write the report of a counterfactual as one HTML file that needs nothing else.

    Patients appear by the atlas's pseudonyms only; identifying fields never do.

    Parameters
    ----------
    path : Path
        File to write; replaced in one step.
    result : CounterfactualResult
        What was found.
    atlas : Atlas
        The atlas it was found in, for the pictures of the evidence.

    Raises
    ------
    HaikuError
        The file cannot be written.
    """
    write_text(path, counterfactual_report(result, atlas))


def counterfactual_report(result: CounterfactualResult, atlas: Atlas) -> str:
    """Compose the report; see :func:`write_counterfactual_report`."""
    title = f"Counterfactual: {result.edit.words}"
    banner = [element("p", RESEARCH_USE, class_="research")]
    banner += [element("p", text, class_="caution") for text in _openings(result)]
    return page(
        title,
        STYLE,
        element("header", element("h1", title), *banner),
        element(
            "main",
            in_short(result),
            _edit_section(result),
            _support_section(result),
            _chart_section(result),
            _table_section(result),
            _evidence_section(result, atlas),
            _limits_section(result),
            _computing_section(result),
            _provenance_section(result),
        ),
        element("footer", f"{RESEARCH_USE}. {result.notice}"),
    )


def _openings(result: CounterfactualResult) -> list[str]:
    sentence = NO_MORE_THAN_WORDING if result.weak_placebo else NO_MORE_THAN_PLACEBO
    said = [sentence] if result.no_more_than_placebo else []
    return [*said, result.notice, *([result.label] if result.label else [])]


def _edit_section(result: CounterfactualResult) -> Element:
    fields = [
        element("tr", *(element("td", cell) for cell in (name, result.edit.before[name], after)))
        for name, after in result.edit.after.items()
    ]
    tags = {"same": "span", "removed": "del", "added": "ins"}
    words = [element(tags[kind], text) for kind, text in result.edit.caption_parts()]
    return element(
        "section",
        element("h2", "The edit"),
        table_of(("Field", "Recorded", "Edited"), fields),
        element("h3", "The exact text that is compared"),
        element("p", *words, class_="words"),
    )


def _support_section(result: CounterfactualResult) -> Element:
    support = result.support
    section = element(
        "section",
        element("h2", "Support"),
        element("p", element("strong", support.word), f": {support.sentence}"),
    )
    section.extend(notes_of(result.notes))
    return section


def _computing_section(result: CounterfactualResult) -> Element:
    section = element("section", element("h2", COMPUTED), element("p", result.inference))
    section.extend(whole_edit(result.whole_edit_p))
    if result.adjusted_for:
        held = ", ".join(result.adjusted_for)
        section.append(element("p", f"The atlas contrast holds constant: {held}."))
    return section


def _chart_section(result: CounterfactualResult) -> Element:
    section = element("section", element("h2", "Shifts"))
    if not result.shifts["shift"].notna().any():
        section.append(element("p", "No shift is estimable."))
        return section
    section.append(
        figure(
            interval_chart(result.shifts),
            f"The largest shifts, in SD of the atlas. {result.supported_sentence} Coloured, "
            "filled dot: supported; grey, hollow: not. Line: 95 % interval. Grey band: "
            "twice the usual size of a placebo edit. Faint: irrelevant text moves as far.",
        )
    )
    section.append(
        figure(
            heat_map(result.shifts),
            "All niches and markers. Blue: less, orange: more. White dot: supported. Dotted "
            "frame: not estimable.",
        )
    )
    clustered = clustered_shifts(result.shifts)
    if clustered is not None:
        section.append(
            figure(
                clustered,
                "The same, niches and markers that shift alike side by side (average linkage on "
                "correlation distance).",
            )
        )
    plot = volcano(result.shifts)
    if plot is not None:
        section.append(figure(plot, "Shift against p. Coloured: supported."))
    section.append(
        figure(
            paired_chart(result.shifts),
            "Open: read-out under the record as it reads. Filled: under the edited record. "
            "Coloured: supported.",
        )
    )
    found = principal_components(result.shift)
    if found is not None:
        points, explained, used = found
        names = result.niches.names
        groups = [names.get(int(niche), "No niche") for niche in result.niches.labels[used]]
        axes = (f"PC1 ({explained[0]:.0%})", f"PC2 ({explained[1]:.0%})")
        section.append(
            figure(
                scatter(points, groups, axes, "Principal components of the shifts of patches"),
                "One dot a patch, coloured by niche.",
            )
        )
    return section


def _table_section(result: CounterfactualResult) -> Element:
    table = result.shifts
    order = table["shift"].abs().sort_values(ascending=False, kind="stable", na_position="last")
    rows = [_shift_row(row) for row in table.loc[order.index].to_dict("records")]
    return element(
        "section",
        element("h2", "Every row"),
        element(
            "p",
            "Baseline, edited and shift in SD of the atlas, largest shift first. A dash means "
            f"not estimable. Published p: signed-rank test over patches ({LABEL}).",
        ),
        element("div", table_of([title for _, title in _COLUMNS], rows), class_="wide"),
    )


def _shift_row(row: Mapping[Hashable, Any]) -> Element:
    cells = {name: number(row[name]) for name, _ in _COLUMNS if name in row}
    cells |= {
        "niche_name": f"{row['niche']} {row['niche_name']}",
        "marker": str(row["marker"]),
        "n": str(row["n"]),
        "supported": "yes" if row["supported"] else "",
        "ci": range_of(row["ci_low"], row["ci_high"]),
        "tissue": range_of(row["tissue_low"], row["tissue_high"]),
    }
    look = "none" if not math.isfinite(row["shift"]) else ""
    if row["placebo_p"] > _PLACEBO_LEVEL:
        look = "faint"
    return element("tr", *(element("td", cells[name]) for name, _ in _COLUMNS), class_=look)


def _evidence_section(result: CounterfactualResult, atlas: Atlas) -> Element:
    section = element("section", element("h2", "Evidence"))
    chosen = _spread_over_patients(result, atlas)
    if not chosen:
        section.append(element("p", "The edit brought in no patch that was not there before."))
        return section
    section.append(
        element("p", "Atlas patches that the edit brought in most often, at most two a patient.")
    )
    pictures = [_evidence_figure(result, atlas, row, times) for row, times in chosen]
    section.append(element("div", *pictures, class_="gallery"))
    return section


def _spread_over_patients(result: CounterfactualResult, atlas: Atlas) -> list[tuple[int, int]]:
    shown: dict[str, int] = {}
    chosen = []
    for row, times in result.gained(len(result.rows) * result.neighbours_after.shape[1]):
        name = atlas.pseudonym_of(row)
        if shown.get(name, 0) < _A_PATIENT:
            shown[name] = shown.get(name, 0) + 1
            chosen.append((row, times))
        if len(chosen) == _EVIDENCE:
            break
    return chosen


def _evidence_figure(result: CounterfactualResult, atlas: Atlas, row: int, times: int) -> Element:
    record = atlas.record_of(row)
    said = [f"{name} {record[name]}" for name in result.edit.after if name in record]
    patches = "patch" if times == 1 else "patches"
    caption = f"{atlas.pseudonym_of(row)}, {', '.join(said)}; new for {times} {patches}"
    figure = element("figure")
    if atlas.description["thumbnails"]:
        figure.append(element("img", src=_picture(atlas, row), alt=caption, width=96, height=96))
    figure.append(element("figcaption", caption))
    return figure


def _picture(atlas: Atlas, row: int) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(atlas.thumbnail(row)).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _limits_section(result: CounterfactualResult) -> Element:
    return element(
        "section",
        element("h2", "How to read this"),
        element("p", element("strong", result.notice)),
        element("ul", *(element("li", text) for text in _LIMITS)),
    )


def _provenance_section(result: CounterfactualResult) -> Element:
    from napari_haiku import __version__

    entries = {"software": f"napari-haiku {__version__}", **result.provenance}
    rows = [
        element("tr", element("th", name.replace("_", " ")), element("td", plain(value)))
        for name, value in entries.items()
    ]
    return element("section", element("h2", "Provenance"), element("table", *rows))
