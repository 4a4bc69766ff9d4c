"""``napari-haiku register``: lay an mIF onto its H&E by landmarks or by its nuclei."""

from pathlib import Path
from typing import Annotated

import typer

from napari_haiku.cli.options import DebugFlag, JsonFlag, PixelSizeOption
from napari_haiku.cli.reporting import reporting


def register(
    he: Annotated[Path, typer.Argument(help="The image that stays.", show_default=False)],
    mif: Annotated[Path, typer.Argument(help="The image that is moved.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", help="Affine to write.", metavar="FILE")],
    landmarks: Annotated[
        Path | None,
        typer.Option(
            "--landmarks",
            help="Table of pairs (he_x, he_y, mif_x, mif_y), or of X, Y on the first image. "
            "Without it the nuclei are compared, which finds a shift alone.",
            metavar="CSV",
        ),
    ] = None,
    mif_landmarks: Annotated[
        Path | None,
        typer.Option("--mif-landmarks", help="X, Y on the second image.", metavar="CSV"),
    ] = None,
    unit: Annotated[
        str, typer.Option("--unit", help="What landmarks are given in.", metavar="um|px")
    ] = "um",
    pixel_size: PixelSizeOption = None,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Find the affine between two images; `encode --affine` takes the file."""
    if unit not in ("um", "px"):
        raise typer.BadParameter("give um or px", param_hint="--unit")
    if mif_landmarks is not None and landmarks is None:
        raise typer.BadParameter("needs --landmarks too", param_hint="--mif-landmarks")
    with reporting(as_json, debug) as report:
        from napari_haiku.errors import HaikuError
        from napari_haiku.images import landmarks as pairs
        from napari_haiku.images.affine import Affine
        from napari_haiku.images.misregistration import measure_misregistration
        from napari_haiku.images.reading import open_image
        from napari_haiku.storage import write_json

        if output.exists():
            raise HaikuError(f"{output.name} exists already: choose another name.")
        fixed, moving = (open_image(path, pixel_size_um=pixel_size) for path in (he, mif))
        if landmarks is None:
            shift = measure_misregistration(fixed, moving)
            if shift.shift_um is None:
                raise HaikuError(
                    f"No affine was found, because {shift.note.rstrip('.')}: give --landmarks."
                )
            x, y = shift.shift_um
            affine = Affine.of([[1, 0, x], [0, 1, y]])
            content = {"affine_um": affine.to_list(), "method": "nuclei", **shift.to_json()}
            line = shift.sentence()
        else:
            if mif_landmarks is None:
                there, here = pairs.read_pairs(landmarks)
            else:
                there, here = pairs.read_points(landmarks), pairs.read_points(mif_landmarks)
            if unit == "px":
                there = pairs.pixels_to_um(there, fixed)
                here = pairs.pixels_to_um(here, moving)
            content = pairs.fit_landmarks(there, here).to_json()
            line = f"{content['pairs']} pairs, residual {content['residual_um']:.2f} um" + (
                ""
                if content["target_error_um"] is None
                else f", error at a pair left out {content['target_error_um']:.2f} um (median)"
            )
        content = {**content, "moved": moving.name, "onto": fixed.name}
        write_json(output, content)
        report.result({"output": str(output), **content}, [line, f"Affine written to {output}."])
