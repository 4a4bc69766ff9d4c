"""``napari-haiku cores``: a tissue microarray into a cohort, one patient per core."""

from pathlib import Path
from typing import Annotated

import typer

from napari_haiku.cli.options import (
    DebugFlag,
    JsonFlag,
    MarkersOption,
    OutputOption,
    PixelSizeOption,
)
from napari_haiku.cli.reporting import reporting


def cores(
    image: Annotated[Path, typer.Argument(help="The array's image.", show_default=False)],
    output: OutputOption,
    mif: Annotated[Path | None, typer.Option("--mif", help="Registered mIF of the array.")] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table",
            help="Cores instead of finding them: core, x_um, y_um, diameter_um, patient_id and "
            "clinical fields.",
            metavar="CSV",
        ),
    ] = None,
    diameter: Annotated[
        float | None, typer.Option("--diameter", help="Width of a core in um.", metavar="UM")
    ] = None,
    affine: Annotated[
        Path | None, typer.Option("--affine", help="Lays the mIF onto the H&E.", metavar="FILE")
    ] = None,
    pixel_size: PixelSizeOption = None,
    markers: MarkersOption = None,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Cut a tissue microarray into its cores and write their cohort manifest."""
    with reporting(as_json, debug) as report:
        from napari_haiku.cli.slides import open_slide
        from napari_haiku.images.cutting import CutRequest, cut_cores
        from napari_haiku.images.microarray import find_cores, read_cores

        slide = open_slide(
            image,
            mif,
            pixel_size_um=pixel_size,
            markers=markers,
            metadata=None,
            patient=None,
            edits={},
            slide_id=None,
            affine=affine,
        )
        shown = slide.he if slide.he is not None else slide.mif
        if table is not None:
            found = read_cores(table, diameter_um=diameter)
        elif shown is not None:
            found = find_cores(shown, diameter_um=diameter)
        done = report.run(cut_cores(CutRequest(slide.he, slide.mif, found, output)))
        report.result(
            {
                "manifest": str(done.manifest),
                "cores": done.cores,
                "left_out": list(done.left_out),
                "found": [
                    {"core": c.name, "x_um": c.x_um, "y_um": c.y_um, "diameter_um": c.diameter_um}
                    for c in found
                ],
            },
            [f"{done.cores} cores written; the cohort is {done.manifest}."],
        )
