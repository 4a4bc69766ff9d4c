"""``napari-haiku train``: a model from a cohort."""

from pathlib import Path
from typing import Annotated

import typer

from napari_haiku.cli.options import DebugFlag, JsonFlag
from napari_haiku.cli.reporting import reporting


def train(
    manifest: Annotated[Path, typer.Argument(metavar="COHORT.csv", show_default=False)],
    output: Annotated[Path, typer.Argument(metavar="MODEL_DIR", show_default=False)],
    config: Annotated[
        Path | None, typer.Option("--config", help="Recipe as a JSON file.", metavar="FILE")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            help="standard, small-cohort, whole-tuple or published; the recipe's settings go "
            "before it.",
        ),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            "--objective",
            metavar="NAME[=WEIGHT]",
            help="What to minimise, in place of the recipe's objectives; can be repeated.",
        ),
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            "--start-from", metavar="MODEL", help="Model to go on from: a name or a folder."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Seed; the recipe's by default.")
    ] = None,
    device: Annotated[
        str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")
    ] = "auto",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Curves for TensorBoard too.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Train the three towers on the slides and records of a cohort."""
    kept = "The last checkpoint is kept; --resume goes on from there."
    with reporting(as_json, debug, kept=kept) as report:
        import os
        from dataclasses import replace

        from napari_haiku.jobs import run_job
        from napari_haiku.training.config import read_config
        from napari_haiku.training.loop import TrainRequest
        from napari_haiku.training.loop import train as train_model
        from napari_haiku.training.presets import parse_objectives
        from napari_haiku.training.recipes import preset_settings

        starting = start_from is not None or bool(read_config(config).start_from)
        base = preset_settings(preset, starting_model=starting) if preset else {}
        recipe = read_config(config, base)
        if objective:
            recipe = replace(recipe, objectives=parse_objectives(objective))
        if start_from is not None:
            place = Path(start_from)
            recipe = replace(
                recipe, start_from=str(place.resolve()) if place.is_dir() else start_from
            )
        if seed is not None:
            recipe = replace(recipe, seed=seed)
        job = train_model(
            TrainRequest(
                manifest=manifest,
                output=output,
                config=recipe,
                config_folder=config.parent if config is not None else Path(),
                resume=resume,
                device=device,
                tensorboard=tensorboard,
            )
        )
        if int(os.environ.get("RANK", "0")):
            # Of several processes the first one speaks.
            run_job(job)
            return
        done = report.run(job)
        report.result(
            {
                "model": str(done.model),
                "steps": done.steps,
                "resumed_from": done.resumed_from,
                "validation": done.validation,
                "seed": recipe.seed,
            },
            [
                f"Model trained for {done.steps:,} steps in {done.model.name}.",
                *(f"{name}: {value:.3f}" for name, value in done.validation.items()),
            ],
        )
