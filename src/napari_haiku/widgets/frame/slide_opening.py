"""Opening slides from the docks: image files, an encoding alone, and the sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog

from napari_haiku.images.pixel_size import ContradictoryPixelSizeError
from napari_haiku.viewer.layers.canvas import show_all
from napari_haiku.viewer.slides.reading import Opened, open_files, put_slide
from napari_haiku.viewer.slides.sample import open_sample, sample_folder
from napari_haiku.widgets.frame.preferences import preferences

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_haiku.simulation.demo_slide import DemoSlide
    from napari_haiku.widgets.frame.dock import HaikuDock
    from napari_haiku.widgets.frame.jobs import Failure

_FILTER = (
    "Slides (*.tif *.tiff *.svs *.ndpi *.qptiff *.mrxs *.scn *.png *.jpg *.jpeg);;All files (*)"
)
_LANE = "slide"


class SlideOpening:
    """The slide commands of one dock; reading is done in the dock's threads."""

    def __init__(self, dock: HaikuDock) -> None:
        self._dock = dock

    def choose(self) -> None:
        """Ask for one or two image files (H&E and mIF) and open them."""
        chosen, _ = QFileDialog.getOpenFileNames(
            self._dock, "Open slide: the H&E image, the mIF image, or both", "", _FILTER
        )
        if chosen:
            self.open([Path(path) for path in chosen])

    def open(self, paths: list[Path], sizes_um: dict[str, float] | None = None) -> None:
        """Open one or two image files as the slide; a file of two pixel sizes is asked about."""

        def ask(failure: Failure) -> None:
            cause = failure.cause
            if isinstance(cause, ContradictoryPixelSizeError):
                self._ask_size(paths, sizes_um or {}, cause)

        self._dock.run(
            lambda: open_files(paths, sizes_um),
            self._put,
            "Opening the slide",
            on_failure=ask,
            lane=_LANE,
        )

    def _ask_size(
        self, paths: list[Path], known: dict[str, float], cause: ContradictoryPixelSizeError
    ) -> None:
        def taking(size: float) -> Callable[[], None]:
            name = next((p.name for p in paths if p.name == Path(cause.name).name), cause.name)
            return lambda: self.open(paths, {**known, name: size})

        first, second = cause.sizes_um
        self._dock.strip.say(
            "caution",
            f"The file says {first:.3g} um in one place and {second:.3g} um in another. "
            "Which is right?",
            actions=[(f"{size:.3g} µm", taking(size)) for size in cause.sizes_um],
        )

    def open_sample(self) -> None:
        """Open the virtual tumour slide with its record, and the demo atlas."""

        def put(answer: tuple[Opened, DemoSlide]) -> None:
            opened, slide = answer
            self._put(opened)
            self._dock.workspace.record = dict(slide.record)
            if self._dock.workspace.atlas is None:
                self._dock.atlases.open_demo()

        self._dock.run(
            open_sample(sample_folder(preferences().cache)),
            put,
            "Opening the sample",
            lane=_LANE,
        )
        # At once: the window answers slowly while the maker of the slide is loaded.
        self._dock.strip.show_progress(
            "Opening the sample...", "", 0, 0, lambda: self._dock.cancel(_LANE)
        )

    def _put(self, opened: Opened) -> None:
        workspace = self._dock.workspace
        workspace.record = {}
        put_slide(self._dock.viewer, workspace, opened)
        show_all(self._dock.viewer)
