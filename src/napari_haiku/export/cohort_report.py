"""The report of a cohort counterfactual: one self-contained page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.cohort.cohort_result import AGREEMENT_LABEL
from napari_haiku.export.charts import interval_chart, volcano
from napari_haiku.export.markup import Element, element, page
from napari_haiku.export.report import NO_MORE_THAN_PLACEBO
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
from napari_haiku.export.report_summary import cohort_in_short
from napari_haiku.export.shift_charts import cluster_map, paired_chart, scatter
from napari_haiku.notices import RESEARCH_USE
from napari_haiku.storage import write_text

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from pathlib import Path

    from napari_haiku.analysis.cohort.cohort_result import CohortCounterfactualResult

_TITLES = (
    "Marker", "Patients", "Shift", "95 % over atlases", "p", "q", "Placebo p", "Atlas contrast",
    "Contrast p", "Supported", "d_z", "95 % over query patients", "Agreement p", "Agreement q",
)  # fmt: skip


def write_cohort_report(path: Path, result: CohortCounterfactualResult) -> None:
    """Write the report as one HTML file that needs nothing else.

    Parameters
    ----------
    path : Path
        File to write; replaced in one step.
    result : CohortCounterfactualResult
        What was found; patients appear by pseudonym only.
    """
    write_text(path, cohort_report(result))


def cohort_report(result: CohortCounterfactualResult) -> str:
    """Compose the report; see :func:`write_cohort_report`."""
    title = f"Cohort counterfactual: {result.words}"
    openings = [NO_MORE_THAN_PLACEBO] if result.no_more_than_placebo else []
    openings += [result.notice, *([result.label] if result.label else [])]
    return page(
        title,
        STYLE,
        element(
            "header",
            element("h1", title),
            element("p", RESEARCH_USE, class_="research"),
            *(element("p", text, class_="caution") for text in openings),
        ),
        element(
            "main",
            cohort_in_short(result),
            _asked(result),
            _charts(result),
            _rows(result),
            _groups(result),
            _classifier(result),
            _computing(result),
            _provenance(result),
        ),
        element("footer", f"{RESEARCH_USE}. {result.notice}"),
    )


def _asked(result: CohortCounterfactualResult) -> Element:
    section = element(
        "section",
        element("h2", "The edit"),
        element(
            "p",
            f"{len(result.patients)} patients of the cohort ({result.cohort}), "
            f"{int(result.patches.sum()):,} patches.",
        ),
        element("p", "The first patient's text as it reads, and as edited:"),
        *(element("p", words, class_="words") for words in result.example),
        element(
            "p",
            f"{np.nanmean(result.overlap):.0%} of the neighbours stayed the same; "
            f"{np.nanmean(result.answering):.0f} patients answer a patch on average.",
        ),
    )
    section.extend(notes_of(result.notes))
    return section


def _computing(result: CohortCounterfactualResult) -> Element:
    section = element("section", element("h2", COMPUTED), element("p", result.inference))
    section.extend(whole_edit(result.whole_edit_p))
    return section


def _charts(result: CohortCounterfactualResult) -> Element:
    section = element("section", element("h2", "Shifts"))
    if not result.shifts["shift"].notna().any():
        section.append(element("p", "No shift is estimable."))
        return section
    section.append(
        figure(
            interval_chart(result.shifts),
            "Mean over patients, SD of the atlas. Line: 95 % over resampled atlases, this model "
            "fixed. Grey band: twice the usual size of a placebo edit. Coloured: supported.",
        )
    )
    section.append(
        figure(
            paired_chart(result.shifts),
            "Open: as recorded. Filled: as edited. Coloured: supported.",
        )
    )
    plot = volcano(result.shifts)
    if plot is not None:
        section.append(figure(plot, "Shift against p. Coloured: supported."))
    return section


def _rows(result: CohortCounterfactualResult) -> Element:
    table = result.shifts
    order = table["shift"].abs().sort_values(ascending=False, kind="stable", na_position="last")
    rows = [_row(row) for row in table.loc[order.index].to_dict("records")]
    return element(
        "section",
        element("h2", "Every marker"),
        element(
            "p",
            f"The last four columns describe {AGREEMENT_LABEL}. Markers in italics failed quality "
            "control. A dash means not estimable.",
        ),
        element("div", table_of(_TITLES, rows), class_="wide"),
    )


def _row(row: Mapping[Hashable, Any]) -> Element:
    cells = [
        str(row["marker"]),
        str(row["n"]),
        number(row["shift"]),
        range_of(row["ci_low"], row["ci_high"]),
        *(number(row[name]) for name in ("p", "q", "placebo_p", "contrast", "contrast_p")),
        "yes" if row["supported"] else "",
        number(row["d_z"]),
        range_of(row["patients_low"], row["patients_high"]),
        number(row["agreement_p"]),
        number(row["agreement_q"]),
    ]
    look = "" if row["kept"] else "none"
    return element("tr", *(element("td", cell) for cell in cells), class_=look)


def _groups(result: CohortCounterfactualResult) -> Element:
    section = element("section", element("h2", "Patients and markers that shift alike"))
    groups = result.groups
    if groups is None:
        section.append(element("p", "Too few patients or markers to group."))
        return section
    names = np.array(result.kept_markers)
    section.append(
        figure(
            cluster_map(
                groups.standardised[np.ix_(groups.patients, groups.markers)],
                [result.patients[place] for place in groups.patients],
                [str(name) for name in names[groups.markers]],
                "Shifts of patients by marker, grouped",
            ),
            "Shifts in SD over patients; average linkage on correlation distance.",
        )
    )
    said = [f"PC{n + 1} ({groups.explained[n]:.0%})" for n in range(2)]
    section.append(
        figure(
            scatter(
                groups.scores,
                [f"Group {group}" for group in groups.patient_group],
                (said[0], said[1]),
                "Principal components of the shifts",
            ),
            "One dot a patient.",
        )
    )
    return section


def _classifier(result: CohortCounterfactualResult) -> Element:
    found = result.classification
    if found is None:
        return element("section")
    order = np.argsort(-np.abs(found.coefficients), kind="stable")[:14]
    rows = [
        element(
            "tr",
            element("td", result.kept_markers[place]),
            element("td", number(float(found.coefficients[place]))),
        )
        for place in order
        if found.coefficients[place]
    ]
    return element(
        "section",
        element("h2", "Do the shifts tell the groups apart"),
        element(
            "p",
            f"AUROC {found.auroc:.3f} ({range_of(found.low, found.high)}), {found.positives} "
            f"against {found.negatives} patients; p = {number(found.p)} over permutations that "
            f"refit. Without the edit, from the read-outs alone: {found.control_auroc:.3f}.",
        ),
        table_of(("Marker", "Coefficient"), rows),
    )


def _provenance(result: CohortCounterfactualResult) -> Element:
    from napari_haiku import __version__

    entries = {"software": f"napari-haiku {__version__}", **result.provenance}
    rows = [
        element("tr", element("th", name.replace("_", " ")), element("td", plain(value)))
        for name, value in entries.items()
    ]
    return element("section", element("h2", "Provenance"), element("table", *rows))
