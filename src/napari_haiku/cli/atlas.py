"""``napari-haiku atlas``: build an atlas and say what is in it."""

from pathlib import Path
from typing import Annotated

import typer

from napari_haiku.cli.options import (
    BatchSizeOption,
    DebugFlag,
    DeviceOption,
    JsonFlag,
    ModelOption,
    PatchOption,
    PixelSizeOption,
    StrideOption,
)
from napari_haiku.cli.reporting import reporting

app = typer.Typer(help="Build an atlas and say what is in it.", no_args_is_help=True)

AtlasArgument = Annotated[Path, typer.Argument(metavar="ATLAS", show_default=False)]


@app.command("build")
def build(
    cohort: Annotated[Path, typer.Argument(metavar="COHORT.csv", show_default=False)],
    atlas: AtlasArgument,
    model: ModelOption = "default",
    pixel_size: PixelSizeOption = None,
    patch_um: PatchOption = None,
    stride_um: StrideOption = None,
    device: DeviceOption = "auto",
    batch_size: BatchSizeOption = 64,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Encode the slides of a cohort and put them together into an atlas."""
    kept = "Slides that are encoded are kept; the same command goes on from there."
    with reporting(as_json, debug, kept=kept) as report:
        from napari_haiku.atlas.cohort import build_from_manifest
        from napari_haiku.encoding.request import EncodeOptions
        from napari_haiku.model.loading import load_model

        options = EncodeOptions(patch_um=patch_um, stride_um=stride_um, batch_size=batch_size)
        built = report.run(
            build_from_manifest(
                cohort,
                atlas,
                load_model(model, device=device),
                options=options,
                pixel_size_um=pixel_size,
                on_failure=lambda slide: report.say(f"Line {slide.row}: {slide.reason}"),
            )
        )
        content = built.atlas.info()
        failed = [{"row": slide.row, "reason": slide.reason} for slide in built.failed]
        report.result(content | {"failed": failed}, _lines(built.atlas.name, content))
        if failed:
            report.say(
                f"Error: {len(failed)} of {len(failed) + built.atlas.n_slides} slides could not be "
                "encoded: mend them as told above and run the same command again."
            )
            report.exit_code = 1


@app.command("info")
def info(atlas: AtlasArgument, as_json: JsonFlag = False, debug: DebugFlag = False) -> None:
    """Say how many slides, patients and patches an atlas holds, and which markers."""
    with reporting(as_json, debug) as report:
        from napari_haiku.atlas.store import Atlas

        opened = Atlas.open(atlas)
        content = opened.info() | {
            "fields": {field: opened.values_of(field) for field in opened.fields},
            "patch_um": opened.patch_um,
        }
        report.result(content, _lines(opened.name, content))


def _lines(name: str, content: dict[str, object]) -> list[str]:
    return [
        (
            f"Atlas {name}: {content['patients']} patients, {content['slides']} slides, "
            f"{content['patches']} patches"
        ),
        f"Markers: {', '.join(map(str, _listed(content['markers']))) or 'none'}",
        f"Model: {content['model']}",
    ]


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
