"""``napari-haiku demo``: the whole loop, on a virtual slide or on one of your own."""

from pathlib import Path
from typing import Annotated

import typer

from napari_haiku.cli.options import (
    DebugFlag,
    DeviceOption,
    JsonFlag,
    MetadataOption,
    ModelOption,
    PatientOption,
    PixelSizeOption,
    SeedOption,
)
from napari_haiku.cli.reporting import reporting

KEPT = "What is finished is kept; the same command goes on from there."


def demo(
    output: Annotated[
        Path, typer.Option("--output", help="Folder to write.", metavar="DIR")
    ] = Path("demo_output"),
    slide: Annotated[
        Path | None, typer.Option("--slide", help="H&E image of your own.", metavar="HE")
    ] = None,
    mif: Annotated[
        Path | None, typer.Option("--mif", help="Its registered mIF image.", metavar="MIF")
    ] = None,
    metadata: MetadataOption = None,
    patient: PatientOption = None,
    model: ModelOption = "default",
    device: DeviceOption = "auto",
    pixel_size: PixelSizeOption = None,
    seed: SeedOption = 0,
    no_window: Annotated[
        bool, typer.Option("--no-window", help="Open no window; pictures are still taken.")
    ] = False,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Encode, find similar tissue, predict biomarkers, find niches, edit the record.

    With --slide and --mif the left half of your slide is the atlas and the right
    half's markers are predicted from its H&E.
    """
    if slide is None and (mif is not None or metadata is not None or patient is not None):
        raise typer.BadParameter("--mif, --metadata and --patient need --slide HE.")
    with reporting(as_json, debug, kept=KEPT) as report:
        # Said before the slow imports, so that nobody waits before a mute screen.
        report.say("Preparing the demo ...")
        from napari_haiku.cli.demo_run import run_demo
        from napari_haiku.cli.demo_slides import DemoSource

        source = DemoSource(
            he=slide,
            mif=mif,
            metadata=metadata,
            patient=patient,
            model=model,
            device=device,
            pixel_size_um=pixel_size,
            seed=seed,
        )
        run_demo(report, source, output, no_window=no_window)
