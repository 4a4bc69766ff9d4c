"""Opening slides from the docks: files, and the sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_haiku.widgets.dock import HaikuDock


class SlideOpening:
    """The slide commands of one dock; reading is done in the dock's threads."""

    def __init__(self, dock: HaikuDock) -> None:
        self._dock = dock

    def choose(self) -> None:
        """Ask for image files and open them."""

    def open_sample(self) -> None:
        """Open the virtual tumour slide and the demo atlas."""
