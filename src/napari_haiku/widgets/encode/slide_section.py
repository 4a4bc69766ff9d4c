"""The upper half of the Encode dock: images, pixel sizes and markers of the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_haiku.errors import HaikuError
from napari_haiku.viewer.slides import slide_layers
from napari_haiku.viewer.slides.marker_choices import panel_summary, with_chosen_markers
from napari_haiku.viewer.slides.reading import Opened, open_choices, put_slide
from napari_haiku.widgets.encode.marker_table import MarkerTable
from napari_haiku.widgets.encode.slide_choice import SlideChoice
from napari_haiku.widgets.frame.jobs import failure_of

if TYPE_CHECKING:
    from napari_haiku.images.slide_image import SlideImage
    from napari_haiku.viewer.session.parts import State
    from napari_haiku.viewer.slides.adopt import LayerChoice
    from napari_haiku.widgets.frame.dock import HaikuDock


class SlideSection(QWidget):
    """Keeps the workspace's slide as the user chooses, sizes and names it.

    Parameters
    ----------
    dock : HaikuDock
        The dock that does the work in its threads.
    """

    def __init__(self, dock: HaikuDock) -> None:
        super().__init__()
        self._dock = dock
        self._typed: dict[str, float] = {}
        self._of: set[str] = set()
        self._renamed = False
        self.choice = SlideChoice(dock.viewer)
        self.table = MarkerTable()
        self.table.set_theme(dock.viewer.theme)
        self._summary = QLabel()
        self._summary.setProperty("haiku", "secondary")
        self._markers = QWidget()
        heading = QLabel("Markers")
        heading.setProperty("haiku", "heading")
        line = QHBoxLayout()
        line.addWidget(heading)
        line.addStretch(1)
        line.addWidget(self._summary)
        markers = QVBoxLayout(self._markers)
        markers.setContentsMargins(0, 4, 0, 0)
        markers.setSpacing(4)
        markers.addLayout(line)
        markers.addWidget(self.table)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.choice)
        column.addWidget(self._markers)
        self.choice.chosen.connect(self._choose)
        self.choice.size_typed.connect(self.type_size)
        self.table.markers_changed.connect(self._change_markers)
        self.table.show_wanted.connect(self._show_channel)
        layers = dock.viewer.layers.events
        for signal in (layers.inserted, layers.removed, layers.renamed):
            dock.follow(signal, self.choice.look_soon)
        events = dock.workspace.events
        for field in (events.he, events.mif):
            dock.follow(field, self.show_slide)
        dock.follow(events.opened, self._forget_another_slide)
        dock.follow(dock.viewer.events.theme, self._retheme)
        self.show_slide()
        self.choice.look_soon()

    def show_slide(self, *_: object) -> None:
        """Show the images in the workspace."""
        he, mif = self._dock.workspace.he, self._dock.workspace.mif
        self.choice.adopt_current(he, mif)
        self.choice.show_images(he, mif, self._typed)
        self.table.show_image(mif)
        self._markers.setVisible(mif is not None)
        self._summary.setText(panel_summary(mif) if mif is not None else "")

    def state(self) -> State:
        """Keep what the user said of the images."""
        mif = self._dock.workspace.mif
        return {
            "sizes": dict(self._typed),
            "markers": self.table.choices() if mif is not None and self._renamed else None,
            "channels": [] if mif is None else list(mif.channel_names),
        }

    def restore(self, state: State) -> None:
        """Say it again of images that are still as they were opened."""
        workspace = self._dock.workspace
        he, mif = workspace.he, workspace.mif
        sizes = {str(k): float(v) for k, v in (state.get("sizes") or {}).items()}
        changed: dict[str, Any] = {"he": he, "mif": mif}
        for name, image in (("he", he), ("mif", mif)):
            if name in sizes and name not in self._typed and image is not None:
                self._typed[name] = sizes[name]
                changed[name] = image.with_pixel_size(sizes[name])
        choices, names = state.get("markers"), state.get("channels")
        if choices and mif is not None and not self._renamed and names == list(mif.channel_names):
            self._renamed = True
            changed["mif"] = with_chosen_markers(changed["mif"], choices)
        if changed["he"] is not he or changed["mif"] is not mif:
            self._replace_images(changed["he"], changed["mif"])

    def type_size(self, modality: str, size_um: float) -> None:
        """Take a pixel size that the user typed for "he" or "mif"."""
        workspace = self._dock.workspace
        image = workspace.he if modality == "he" else workspace.mif
        if image is None:
            return
        try:
            changed = image.with_pixel_size(size_um)
        except HaikuError as error:
            self._dock.show_failure(failure_of(error))
            return
        self._typed[modality] = size_um
        self._dock.session_changed()
        self._replace_image(modality, changed)

    def _choose(self, he: LayerChoice | None, mif: LayerChoice | None) -> None:
        def take(opened: Opened) -> None:
            workspace = self._dock.workspace
            now = _fingerprints(opened.he, opened.mif)
            if workspace.has_slide and now.isdisjoint(_fingerprints(workspace.he, workspace.mif)):
                # The record of one patient must not be read into the next one's slide.
                workspace.open_slide(None, None)
                workspace.record = {}
            put_slide(self._dock.viewer, self._dock.workspace, opened, he, mif)

        if he is None and mif is None:
            take(Opened(None, None, {}))
        else:
            self._dock.run(lambda: open_choices(he, mif), take, "Reading the slide", lane="slide")

    def _change_markers(self, choices: list[str]) -> None:
        mif = self._dock.workspace.mif
        if mif is None:
            return
        try:
            changed = with_chosen_markers(mif, choices)
        except HaikuError as error:
            self._dock.show_failure(failure_of(error))
            self.table.show_image(mif)
            return
        self._renamed = True
        self._dock.session_changed()
        self._replace_image("mif", changed)

    def _replace_image(self, modality: str, image: Any) -> None:
        workspace = self._dock.workspace
        he = image if modality == "he" else workspace.he
        mif = image if modality == "mif" else workspace.mif
        self._replace_images(he, mif)

    def _replace_images(self, he: Any, mif: Any) -> None:
        workspace = self._dock.workspace

        def take(opened: Opened) -> None:
            put_slide(self._dock.viewer, workspace, opened, *self.choice.current())

        self._dock.run(
            lambda: Opened.of(he, mif), take, "Reading the slide", lane="slide", quiet=True
        )

    def _show_channel(self, channel: int) -> None:
        mif = self._dock.workspace.mif
        if mif is None or mif.pixel_size_um is None:
            return
        self._dock.run(
            lambda: slide_layers.channel_limits(mif, channel),
            lambda limits: slide_layers.show_channel(self._dock.viewer, mif, channel, limits),
            "Reading the channel",
            lane="channel",
        )

    def _forget_another_slide(self) -> None:
        workspace = self._dock.workspace
        now = _fingerprints(workspace.he, workspace.mif)
        if now.isdisjoint(self._of):
            self._typed.clear()
            self._renamed = False
            self.show_slide()
        self._of = now

    def _retheme(self, *_: object) -> None:
        self.table.set_theme(self._dock.viewer.theme)


def _fingerprints(*images: SlideImage | None) -> set[str]:
    return {image.fingerprint for image in images if image is not None}
