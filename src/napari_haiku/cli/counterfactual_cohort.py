"""``napari-haiku counterfactual --cohort``: the records of many patients edited alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from napari_haiku.cli.opening import loaded_model, opened_atlas

if TYPE_CHECKING:
    from pathlib import Path

    from napari_haiku.analysis.cohort.cohort_request import CohortCounterfactualRequest
    from napari_haiku.cli.reporting import Report


def parse_label(text: str | None) -> tuple[str, str, str] | None:
    """Read ``grade=G3:G2``."""
    if text is None:
        return None
    field, equals, values = text.partition("=")
    positive, colon, negative = values.partition(":")
    parts = (field.strip(), positive.strip(), negative.strip())
    if not (equals and colon and all(parts)):
        raise typer.BadParameter(
            f'"{text}" names no two groups: write field=value:value, such as grade=G3:G2.',
            param_hint="--label",
        )
    return parts


def ask_cohort(
    report: Report,
    atlas: Path,
    output: Path,
    model: str,
    device: str,
    request: CohortCounterfactualRequest,
) -> None:
    """Run a cohort counterfactual, save it and tell of it."""
    from napari_haiku.analysis.cohort.cohort_counterfactual import run_cohort_counterfactual
    from napari_haiku.analysis.cohort.cohort_request import check_edited_fields
    from napari_haiku.atlas.selection import where_rows
    from napari_haiku.export.cohort_report import write_cohort_report

    evidence = opened_atlas(atlas)
    for condition in filter(None, (request.cohort, request.where)):
        where_rows(evidence, condition)
    check_edited_fields(evidence, request.edits)
    result = report.run(
        run_cohort_counterfactual(evidence, loaded_model(report, model, device), request)
    )
    result.save(output)
    write_cohort_report(output / "report.html", result)
    for note in result.notes:
        report.say(note)
    supported = int(result.shifts["supported"].sum())
    report.result(
        {
            "edit": result.edits,
            "patients": len(result.patients),
            "patches": int(result.patches.sum()),
            "rows": len(result.shifts),
            "supported": supported,
            "whole_edit_p": result.whole_edit_p,
            "inference": result.inference,
            "auroc": None if result.classification is None else result.classification.auroc,
            "label": result.label,
            "seed": request.seed,
            "output": str(output),
            "report": str(output / "report.html"),
            "notes": result.notes,
            "notice": result.notice,
        },
        [
            f"{result.words}: {len(result.patients)} patients.",
            (
                f"{supported} of {len(result.shifts)} markers are supported; all are in "
                f"{output / 'shifts.csv'}."
            ),
            *([result.label] if result.label else []),
            result.notice,
            f"Report to open: {output / 'report.html'}",
        ],
    )
