"""Opening and building the atlas that the docks read from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog

from napari_haiku.errors import HaikuError
from napari_haiku.viewer.slides.encoding_place import SUFFIX

if TYPE_CHECKING:
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.jobs import Job
    from napari_haiku.widgets.frame.dock import HaikuDock

OTHER_REGION_UM = 500.0


class AtlasOpening:
    """The atlas commands of one dock; work is done in the dock's threads."""

    def __init__(self, dock: HaikuDock) -> None:
        self._dock = dock

    def open(self, folder: Path, *, within_patient_um: float | None = None) -> None:
        """Open an atlas folder and put it in the workspace."""
        self._dock.run(
            lambda: _opened(folder),
            lambda atlas: self._put(atlas, within_patient_um),
            "Opening the atlas",
            lane="atlas",
        )

    def open_demo(self) -> None:
        """Open the atlas that ships with the package."""
        from napari_haiku.atlas.shipped import shipped_atlas

        self.open(shipped_atlas())

    def choose(self) -> None:
        """Ask for an atlas folder and open it."""
        chosen = QFileDialog.getExistingDirectory(self._dock, "Open atlas")
        if chosen:
            self.open(Path(chosen))

    def choose_and_build(self) -> None:
        """Ask for a folder of encodings and build an atlas of them."""
        chosen = QFileDialog.getExistingDirectory(self._dock, "Folder that holds the encodings")
        if chosen:
            self.build(Path(chosen))

    def build(self, folder: Path) -> None:
        """Build an atlas of every encoding in `folder`, in a new folder ``atlas`` inside it."""
        self._dock.run(
            _build_from_folder(folder, free_name(folder, "atlas")),
            lambda atlas: self._put(atlas, None),
            "Building the atlas",
            lane="atlas",
        )

    def of_this_slide(self) -> None:
        """Let the slide answer for itself, from at least 500 um away."""
        from napari_haiku.atlas.build import build_atlas

        encoding = self._dock.workspace.encoding
        if encoding is None:
            return
        target = free_name(encoding.path.parent, f"{encoding.path.name.removesuffix(SUFFIX)}.atlas")
        self._dock.run(
            build_atlas([encoding], target),
            lambda atlas: self._put(atlas, OTHER_REGION_UM),
            "Building the atlas",
            lane="atlas",
        )

    def _put(self, atlas: Atlas, within_patient_um: float | None) -> None:
        self._dock.workspace.within_patient_um = within_patient_um
        self._dock.workspace.atlas = atlas


def free_name(folder: Path, name: str) -> Path:
    """Give a path in `folder` that does not exist yet: name, name-2, name-3, ..."""
    path, n = folder / name, 1
    while path.exists():
        n += 1
        path = folder / f"{name}-{n}"
    return path


def _opened(folder: Path) -> Atlas:
    from napari_haiku.atlas.store import Atlas

    atlas = Atlas.open(folder)
    # Read here, so that the main thread never waits for disk.
    _ = (atlas.slides, atlas.records, atlas.patches, atlas.slide_index, atlas.positions_um)
    return atlas


def _build_from_folder(folder: Path, target: Path) -> Job[Atlas]:
    from napari_haiku.atlas.build import build_atlas

    encodings = sorted(path for path in folder.glob("*.zarr") if path.is_dir())
    if not encodings:
        raise HaikuError(
            f"{folder.name} holds no encoding: choose the folder with the .zarr encodings."
        )
    return (yield from build_atlas(encodings, target))
