"""``napari-haiku info``: what an image says about itself."""

from pathlib import Path
from typing import Annotated

import typer

from napari_haiku.cli.options import DebugFlag, JsonFlag, MarkersOption, PixelSizeOption
from napari_haiku.cli.reporting import reporting


def info(
    image: Annotated[Path, typer.Argument(help="Image file or folder.", show_default=False)],
    pixel_size: PixelSizeOption = None,
    markers: MarkersOption = None,
    mif: Annotated[
        Path | None,
        typer.Option("--mif", help="mIF of the section: how far it lies from the H&E."),
    ] = None,
    affine: Annotated[
        Path | None, typer.Option("--affine", help="Lays the mIF onto the H&E.", metavar="FILE")
    ] = None,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Show modality, shape, levels, pixel size and markers of an image."""
    with reporting(as_json, debug) as report:
        from napari_haiku.cli.slides import open_slide
        from napari_haiku.errors import HaikuError
        from napari_haiku.images.info import describe
        from napari_haiku.images.misregistration import measure_misregistration
        from napari_haiku.images.reading import open_image

        if mif is None:
            opened = open_image(image, pixel_size_um=pixel_size, markers=markers)
            second = None
        else:
            pair = open_slide(
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
            if pair.he is None:
                raise HaikuError(f"{image.name} is no H&E image: give the H&E first.")
            opened, second = pair.he, pair.mif
        content = {"name": opened.name, **describe(opened)}
        shapes = content["levels"]
        size = opened.pixel_size_um
        lines = [
            f"{opened.name}: {'H&E' if opened.modality == 'he' else 'mIF'}, {opened.dtype}",
            f"Levels: {', '.join(' x '.join(map(str, shape)) for shape in shapes)}",
            f"Pixel size: {f'{size:g} um' if size else 'not in the file; give --pixel-size'}",
        ]
        if opened.modality == "mif":
            lines.append(f"Markers: {', '.join(opened.used_markers) or 'none named'}")
        if second is not None:
            shift = measure_misregistration(opened, second)
            content |= {"mif": describe(second), "registration": shift.to_json()}
            lines.append(shift.sentence())
        report.result(content, [*lines, *opened.notes])
