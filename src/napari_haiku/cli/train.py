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
    seed: Annotated[
        int | None, typer.Option("--seed", help="Seed; the recipe's by default.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Train the three towers on the slides and records of a cohort."""
    kept = "The last checkpoint is kept; --resume goes on from there."
    with reporting(as_json, debug, kept=kept) as report:
        from dataclasses import replace

        from napari_haiku.training.config import read_config
        from napari_haiku.training.loop import TrainRequest
        from napari_haiku.training.loop import train as train_model

        recipe = read_config(config)
        if seed is not None:
            recipe = replace(recipe, seed=seed)
        done = report.run(
            train_model(
                TrainRequest(
                    manifest=manifest,
                    output=output,
                    config=recipe,
                    config_folder=config.parent if config is not None else Path(),
                    resume=resume,
                )
            )
        )
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
