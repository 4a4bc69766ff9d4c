from __future__ import annotations

import pytest
from qtpy.QtWidgets import QScrollArea

from napari_haiku.widgets.biomarkers import BiomarkersDock
from napari_haiku.widgets.counterfactual import CounterfactualDock
from napari_haiku.widgets.niches import NichesDock

WIDTH = 382


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("kind", [BiomarkersDock, NichesDock, CounterfactualDock])
def test_an_answered_dock_fits_its_width(qtbot, open_dock, press, workspace, kind):
    dock = open_dock(kind)
    workspace.selection = 40
    if kind is CounterfactualDock:
        dock.set_field("stage", "IV")
    press(dock)
    dock.resize(WIDTH, 400)
    scroll = dock.findChild(QScrollArea)
    # With 400 px of height the vertical bar is there and takes its room.
    qtbot.waitUntil(lambda: scroll.verticalScrollBar().isVisible())
    assert scroll.widget().minimumSizeHint().width() <= scroll.viewport().width()
