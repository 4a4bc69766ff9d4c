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
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Show modality, shape, levels, pixel size and markers of an image."""
    with reporting(as_json, debug) as report:
        from napari_haiku.images.info import describe
        from napari_haiku.images.reading import open_image

        opened = open_image(image, pixel_size_um=pixel_size, markers=markers)
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
        report.result(content, [*lines, *opened.notes])
