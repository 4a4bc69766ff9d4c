"""``napari-haiku counterfactual``: the same tissue under an edited record."""

from pathlib import Path
from typing import Annotated

import typer

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
    encoding: Annotated[Path, typer.Argument(metavar="ENC.zarr", show_default=False)],
    atlas: Annotated[Path, typer.Argument(metavar="ATLAS", show_default=False)],
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
    with reporting(as_json, debug) as report:
        from napari_haiku.analysis.counterfactual import (
            CounterfactualRequest,
            run_counterfactual,
        )
        from napari_haiku.analysis.niches import read_niches
        from napari_haiku.analysis.result_tables import output_folder
        from napari_haiku.atlas.store import Atlas
        from napari_haiku.encoding.store import Encoding
        from napari_haiku.export.maps import write_shift_maps
        from napari_haiku.export.report import write_counterfactual_report
        from napari_haiku.model.loading import load_model

        slide, evidence = Encoding.open(encoding), Atlas.open(atlas)
        result = report.run(
            run_counterfactual(
                slide,
                evidence,
                load_model(model, device=device),
                CounterfactualRequest(
                    edits=edits,
                    k=k,
                    weights=shares,
                    within_patient_um=within_patient,
                    where=where,
                    seed=seed,
                    resamples=resamples,
                ),
                None if niches is None else read_niches(niches, slide.centres_um),
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
            ],
        )
