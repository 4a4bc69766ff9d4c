"""The virtual tumour slide as sample data: made once, then found in the cache folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_haiku.jobs import Job, Progress, run_job
from napari_haiku.viewer.slides.encoding_place import cache_folder
from napari_haiku.viewer.slides.reading import Opened, open_files
from napari_haiku.viewer.slides.slide_data import layer_data

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_haiku.simulation.demo_slide import DemoSlide

SAMPLE_SEED = 1


def sample_folder(cache: Path | None = None) -> Path:
    """Folder of the sample slide."""
    return (cache or cache_folder()) / "sample"


def open_sample(folder: Path) -> Job[tuple[Opened, DemoSlide]]:
    """Make the virtual slide, or find it, and open it.

    Parameters
    ----------
    folder : Path
        Where it is kept.

    Returns
    -------
    opened : Opened
        H&E and mIF.
    slide : DemoSlide
        The files and the record.
    """
    from napari_haiku.simulation.demo_slide import make_demo_slide

    making: Generator[Progress, None, DemoSlide] = make_demo_slide(folder, SAMPLE_SEED)
    slide = yield from making
    return open_files([slide.he, slide.mif]), slide


def virtual_slide_layers() -> list[tuple[Any, dict[str, Any], str]]:
    """Sample data for napari's File > Open Sample; made here when it is not there yet."""
    opened, _ = run_job(open_sample(sample_folder()))
    return layer_data(opened)
