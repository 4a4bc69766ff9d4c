"""Who answers at the ringed patch: heading, both sides, and their pictures from a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_haiku.viewer.counterfactual.neighbours import sides_at
from napari_haiku.widgets.counterfactual import asking
from napari_haiku.widgets.counterfactual.neighbour_sides import NOT_ASKED, NeighbourSides

if TYPE_CHECKING:
    from napari_haiku.viewer.counterfactual.shift_maps import ShiftMaps
    from napari_haiku.widgets.frame.dock import HaikuDock


class SidesSection(QWidget):
    """Hidden while there is no answer.

    Parameters
    ----------
    dock : HaikuDock
        Runs the jobs and has the workspace.
    """

    def __init__(self, dock: HaikuDock) -> None:
        super().__init__()
        self._dock = dock
        heading = QLabel("Who answers at the ringed patch")
        heading.setProperty("haiku", "heading")
        self.sides = NeighbourSides()
        self.sides.neighbour_clicked.connect(self._tell)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(6)
        column.addWidget(heading)
        column.addWidget(self.sides)
        self.hide()

    def show_patch(self, maps: ShiftMaps | None, marker: str | None) -> None:
        """Show who answers for the ringed patch, about one marker."""
        atlas, patch = self._dock.workspace.atlas, self._dock.workspace.selection
        self.setVisible(maps is not None)
        if maps is None or atlas is None or marker is None or patch is None:
            self.sides.clear()
            return
        found = sides_at(maps.result, atlas, patch, marker)
        if found is None:
            self.sides.clear(NOT_ASKED)
            return
        self.sides.show_sides(found)
        rows = self.sides.rows
        self._dock.run(
            lambda: asking.pictures_of(atlas, rows),
            self.sides.show_pictures,
            "Reading",
            on_failure=lambda _failure: None,
            lane="pictures",
            quiet=True,
        )

    def _tell(self, row: int) -> None:
        atlas = self._dock.workspace.atlas
        if atlas is not None:
            self.sides.tell(asking.record_line(atlas, row))
