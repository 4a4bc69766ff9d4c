"""``napari-haiku counterfactual``: the same tissue under an edited record."""

from pathlib import Path
from typing import Annotated

import typer

from napari_haiku.cli.counterfactual_cohort import ask_cohort, parse_label
from napari_haiku.cli.opening import (
    check_edit,
    check_output,
    loaded_model,
    opened_atlas,
    opened_encoding,
)
from napari_haiku.cli.options import (
    DebugFlag,
    DeviceOption,
    JsonFlag,
    ModelOption,
    NeighboursOption,
    OutputOption,
    SeedOption,
    WeightsOption,
    WhereOption,
    WithinPatientOption,
)
from napari_haiku.cli.parsing import parse_edits, parse_weights
from napari_haiku.cli.reporting import reporting


def counterfactual(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="[ENC.zarr] ATLAS",
            help="With --cohort the atlas alone. 'demo' is the atlas that ships.",
            show_default=False,
        ),
    ],
    settings: Annotated[
        list[str],
        typer.Option("--set", help="Field and new value; repeatable.", metavar="FIELD=VALUE"),
    ],
    output: OutputOption,
    niches: Annotated[
        Path | None, typer.Option("--niches", help="What 'niches' left for this slide.")
    ] = None,
    k: NeighboursOption = 50,
    weights: WeightsOption = None,
    within_patient: WithinPatientOption = None,
    where: WhereOption = None,
    cohort: Annotated[
        str | None,
        typer.Option(
            "--cohort",
            help="Edit the records of all slides of the atlas that fit, instead of one slide.",
            metavar="CONDITION",
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            "--label",
            help="With --cohort: two groups for the shifts to tell apart, such as grade=G3:G2.",
            metavar="FIELD=A:B",
        ),
    ] = None,
    permutations: Annotated[
        int, typer.Option("--permutations", help="Refitted permutations behind --label.", min=0)
    ] = 200,
    weighting: Annotated[
        str, typer.Option("--weighting", help="With --cohort: equal, scores or softmax.")
    ] = "equal",
    resamples: Annotated[
        int, typer.Option("--resamples", help="Resampled atlases behind the intervals.", min=0)
    ] = 500,
    seed: SeedOption = 0,
    model: ModelOption = "default",
    device: DeviceOption = "auto",
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Ask what would shift if the clinical record read differently."""
    edits = parse_edits(settings)
    shares = parse_weights(weights)
    groups = parse_label(label)
    wanted = 2 if cohort is None else 1
    if len(sources) != wanted or (cohort is not None and niches is not None):
        raise typer.BadParameter(
            "Give one encoding and one atlas; with --cohort the atlas alone, without --niches."
        )
    if cohort is None and groups is not None:
        raise typer.BadParameter("--label needs --cohort.")
    atlas = sources[-1]
    with reporting(as_json, debug) as report:
        from napari_haiku.analysis.counterfactual.counterfactual import (
            CounterfactualRequest,
            run_counterfactual,
        )
        from napari_haiku.analysis.counterfactual.result_tables import output_folder
        from napari_haiku.analysis.niches.niches import read_niches
        from napari_haiku.export.maps import write_shift_maps
        from napari_haiku.export.report import write_counterfactual_report

        check_output(output)
        if cohort is not None:
            from napari_haiku.analysis.cohort.cohort_request import CohortCounterfactualRequest

            asked = CohortCounterfactualRequest(
                cohort=cohort,
                edits=edits,
                k=k,
                weights=shares,
                within_patient_um=within_patient,
                where=where,
                weighting=weighting,  # type: ignore[arg-type]  # checked by the request
                label=groups,
                permutations=permutations,
                resamples=resamples,
                seed=seed,
            )
            ask_cohort(report, atlas, output, model, device, asked)
            return
        slide, evidence = opened_encoding(sources[0]), opened_atlas(atlas)
        check_edit(slide, evidence, edits, within_patient_um=within_patient, where=where)
        labels = None if niches is None else read_niches(niches, slide.centres_um)
        result = report.run(
            run_counterfactual(
                slide,
                evidence,
                loaded_model(report, model, device),
                CounterfactualRequest(
                    edits=edits,
                    k=k,
                    weights=shares,
                    within_patient_um=within_patient,
                    where=where,
                    seed=seed,
                    resamples=resamples,
                ),
                labels,
            )
        )
        result.save(output)
        folder = output_folder(output / "shift_maps")
        write_shift_maps(folder / "shift.ome.zarr", result, slide.grid)
        write_counterfactual_report(output / "report.html", result, evidence)
        for note in result.notes:
            report.say(note)
        supported = int(result.shifts["supported"].sum())
        report.result(
            {
                "edit": {
                    field: [result.edit.before[field], value]
                    for field, value in result.edit.after.items()
                },
                "rows": len(result.shifts),
                "supported": supported,
                "support": {
                    "word": result.support.word,
                    "says": result.support.sentence,
                    "patients": result.support.patients,
                    "agree": result.support.agree,
                },
                "whole_edit_p": result.whole_edit_p,
                "inference": result.inference,
                "label": result.label,
                "seed": seed,
                "output": str(output),
                "report": str(output / "report.html"),
                "notes": result.notes,
                "notice": result.notice,
            },
            [
                f"{result.edit.words}: support {result.support.word}. {result.support.sentence}",
                (
                    f"{supported} of {len(result.shifts)} shifts are supported; all are in "
                    f"{output / 'shifts.csv'}."
                ),
                *([result.label] if result.label else []),
                result.notice,
                f"Report to open: {output / 'report.html'}",
            ],
        )
