"""``napari-haiku simulate``: a virtual cohort with known truth."""

from pathlib import Path
from typing import Annotated

import typer

from napari_haiku.cli.options import DebugFlag, JsonFlag, SeedOption
from napari_haiku.cli.parsing import parse_numbers
from napari_haiku.cli.reporting import reporting


def simulate(
    output: Annotated[Path, typer.Argument(metavar="COHORT_DIR", show_default=False)],
    patients: Annotated[int, typer.Option("--patients", help="How many patients.", min=1)],
    seed: SeedOption = 0,
    field_um: Annotated[
        str,
        typer.Option("--field-um", help="Width and height of each slide.", metavar="W,H"),
    ] = "600,600",
    preset: Annotated[
        str,
        typer.Option(
            "--preset",
            help="How hard: easy, standard or hard (noise, stain, registration, panels, effects).",
        ),
    ] = "standard",
    confounding: Annotated[
        bool,
        typer.Option("--confounding", help="Let sites differ in their stages, not in stain alone."),
    ] = False,
    image_format: Annotated[
        str, typer.Option("--format", help="Of the images: ome-tiff or ome-zarr.")
    ] = "ome-tiff",
    workers: Annotated[
        int, typer.Option("--workers", help="Processes that work side by side.", min=1)
    ] = 1,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Make a virtual cohort: H&E, mIF and records; the same command again resumes it."""
    width, height = parse_numbers(field_um, 2, "--field-um", "600,600")
    kept = "Finished slides are kept; the same command goes on from there."
    with reporting(as_json, debug, kept=kept) as report:
        from napari_haiku.simulation.cohort import SimulateRequest, simulate_cohort
        from napari_haiku.simulation.difficulty import difficulty_preset

        made = report.run(
            simulate_cohort(
                SimulateRequest(
                    output=output,
                    patients=patients,
                    seed=seed,
                    field_um=(width, height),
                    workers=workers,
                    difficulty=difficulty_preset(preset, confounding=confounding),
                    image_format=image_format,
                )
            )
        )
        told = [f"{made.patients} virtual patients in {made.manifest}"]
        if made.renewed_from is not None:
            told.append(
                f"Its records were written by generator {made.renewed_from}, which made the same "
                "pixels: the images are kept, the manifest was renewed."
            )
        report.result(
            {
                "manifest": str(made.manifest),
                "patients": made.patients,
                "markers": made.markers,
                "resumed_from": made.resumed_from,
                "renewed_from": made.renewed_from,
                "preset": preset,
                "confounding": confounding,
                "seed": seed,
            },
            told,
        )
