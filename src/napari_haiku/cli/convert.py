"""``napari-haiku convert``: a published bundle into a model folder that opens safely."""

from pathlib import Path
from typing import Annotated

import typer

from napari_haiku.cli.options import DebugFlag, JsonFlag
from napari_haiku.cli.reporting import reporting


def convert(
    source: Annotated[str, typer.Argument(metavar="SOURCE", show_default=False)],
    target: Annotated[Path, typer.Argument(metavar="MODEL_DIR", show_default=False)],
    pixel_size: Annotated[
        float | None,
        typer.Option(
            "--pixel-size", help="Pixel size at which an H&E encoder reads tissue.", metavar="UM"
        ),
    ] = None,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Convert a published bundle (local folder, or a name that is downloaded)."""
    with reporting(as_json, debug) as report:
        from napari_haiku.model.published.convert import convert as convert_model

        done = report.run(convert_model(source, target, pixel_size_um=pixel_size))
        for note in done.notes:
            report.say(note)
        report.result(
            {
                "model": str(done.folder),
                "name": done.name,
                "parameters": done.parameters,
                "dropped": done.dropped,
                "markers": done.markers,
                "notes": done.notes,
            },
            [f"{done.name}: {done.parameters:,} parameters in {done.folder.name}"],
        )
