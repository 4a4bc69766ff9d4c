"""napari reader for slides: lazy pyramids with physical units, H&E and mIF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_haiku.viewer.slides.reading import open_files
from napari_haiku.viewer.slides.slide_data import layer_data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_haiku.viewer.slides.slide_data import LayerData

SUFFIXES = (".ome.tif", ".ome.tiff", ".svs", ".ndpi", ".qptiff", ".mrxs", ".scn")


def slide_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Offer to read `path` as a slide; None when it does not look like one."""
    paths = [path] if isinstance(path, str) else list(path)
    if not paths or not all(str(one).casefold().endswith(SUFFIXES) for one in paths):
        return None
    return read_slide


def read_slide(path: str | Sequence[str]) -> list[LayerData]:
    """Read one or two files as one slide."""
    paths = [path] if isinstance(path, str) else list(path)
    return layer_data(open_files([Path(one) for one in paths]))
