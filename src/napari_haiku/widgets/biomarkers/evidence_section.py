"""Evidence at the ringed patch: the panel, its pictures from a thread, and slides to open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_haiku.errors import HaikuError
from napari_haiku.viewer.biomarkers.evidence import evidence_at
from napari_haiku.viewer.search.slide_beside import hide_beside, picture_of_slide, show_beside
from napari_haiku.widgets.biomarkers.evidence import EvidencePanel

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerResult
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.viewer.search.slide_beside import SlidePicture
    from napari_haiku.widgets.frame.dock import HaikuDock

_Pictures = tuple["NDArray[np.uint8] | None", dict[int, "NDArray[np.uint8]"]]


class EvidenceSection(QWidget):
    """What stands behind the value at the ringed patch.

    Parameters
    ----------
    dock : HaikuDock
        Runs the jobs and has the workspace.
    """

    def __init__(self, dock: HaikuDock) -> None:
        super().__init__()
        self._dock = dock
        self._atlas: Atlas | None = None
        heading = QLabel("Evidence at the ringed patch")
        heading.setProperty("haiku", "heading")
        self.close_beside = QPushButton("Close the other slide")
        self.close_beside.setProperty("haiku", "small")
        self.close_beside.setToolTip("Go back to one slide in view.")
        self.close_beside.clicked.connect(lambda _checked=False: self.close_other())
        self.close_beside.hide()
        head = QHBoxLayout()
        head.setContentsMargins(0, 4, 0, 0)
        head.addWidget(heading)
        head.addStretch(1)
        head.addWidget(self.close_beside)
        self.panel = EvidencePanel()
        self.panel.neighbour_clicked.connect(self.open_neighbour)
        self.panel.pictures_wanted.connect(self._read_pictures)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(head)
        column.addWidget(self.panel)

    def show_patch(
        self, result: BiomarkerResult | None, atlas: Atlas | None, marker: str | None
    ) -> None:
        """Show what one marker's value at the ringed patch was read from."""
        workspace = self._dock.workspace
        patch = workspace.selection
        self._atlas = atlas
        if (
            result is None
            or atlas is None
            or marker is None
            or patch is None
            or workspace.encoding is None
        ):
            self.panel.clear()
            return
        self.panel.show_evidence(evidence_at(result, atlas, patch, marker))

    def open_neighbour(self, row: int) -> None:
        """Say whose patch a neighbour is, and open its slide beside this one."""
        atlas, workspace = self._atlas, self._dock.workspace
        encoding, patch = workspace.encoding, workspace.selection
        if atlas is None or encoding is None or patch is None:
            return
        record = atlas.record_of(row)
        words = ", ".join(f"{field.replace('_', ' ')} {text}" for field, text in record.items())
        self.panel.tell(f"{atlas.pseudonym_of(row)}: {words or 'no record'}")
        x, y = encoding.centres_um[patch]
        at = float(x), float(y)
        self._dock.run(
            lambda: picture_of_slide(atlas, row),
            lambda picture: self._on_picture(picture, at, atlas.patch_um),
            "Opening the other slide",
            lane="beside",
        )

    def close_other(self) -> None:
        """Show one slide again."""
        self.close_beside.hide()
        hide_beside(self._dock.viewer)

    def _on_picture(self, picture: SlidePicture, at: tuple[float, float], patch_um: float) -> None:
        show_beside(self._dock.viewer, picture, at, patch_um)
        self.close_beside.show()

    def _read_pictures(self) -> None:
        atlas, encoding = self._atlas, self._dock.workspace.encoding
        evidence = self.panel.evidence
        if atlas is None or encoding is None or evidence is None:
            return
        rows, patch = self.panel.rows, evidence.patch
        self._dock.run(
            lambda: _pictures(atlas, rows, encoding, patch),
            lambda found: self.panel.show_pictures(*found),
            "Reading",
            on_failure=lambda _failure: None,
            lane="pictures",
            quiet=True,
        )


def _pictures(atlas: Atlas, rows: Collection[int], encoding: Encoding, patch: int) -> _Pictures:
    found = {}
    for row in dict.fromkeys(rows):
        try:
            found[row] = atlas.thumbnail(row)
        except HaikuError:
            continue
    return encoding.thumbnail(patch), found
