"""Biomarkers by clicking: predict, tick several, blend, evidence, a neighbour's slide."""

from __future__ import annotations

import pytest
from e2e.test_journeys import PATIENCE_MS, bench, open_and_encode, picture, pictures, press
from qtpy.QtCore import Qt

from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.layers.stacking import SEVERAL_SLOTS
from napari_haiku.viewer.search.slide_beside import BESIDE
from napari_haiku.widgets.journey import click_tissue

__all__ = ["bench", "pictures"]
pytestmark = pytest.mark.e2e


def tick(dock, marker):
    for row in range(dock.table.table.rowCount()):
        item = dock.table.table.item(row, 0)
        if item.text() == marker:
            item.setCheckState(Qt.CheckState.Checked)


def test_biomarkers(bench, qtbot, slide, pictures):
    viewer, workbench = bench
    open_and_encode(qtbot, workbench, slide)
    dock = workbench.docks["Biomarkers"]
    dock.go_to("Biomarkers")
    dock.atlases.open(slide.atlas)
    qtbot.waitUntil(lambda: dock.workspace.atlas is not None, timeout=PATIENCE_MS)
    press(qtbot, dock.primary)
    qtbot.waitUntil(lambda: dock.workspace.biomarkers is not None, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: not dock.is_running(), timeout=PATIENCE_MS)

    # Both maps of the best marker, then one view, a click on tissue, and its evidence.
    assert viewer.canvas.grid.enabled
    press(qtbot, dock.settings.show_choice.buttons["Predicted"])
    viewer.fit_to_view()
    click_tissue(viewer, dock, 650.0, 450.0)
    assert dock.evidence.evidence is not None
    qtbot.waitUntil(lambda: not dock.evidence.own.pixmap().isNull(), timeout=PATIENCE_MS)
    dock.bring_into_view(dock.settings)
    picture(viewer, pictures / "biomarkers_evidence.png")

    # A neighbour's slide beside this one, and back.
    qtbot.mouseClick(dock.evidence.tiles[0], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: layer_in_slot(viewer, BESIDE) is not None, timeout=PATIENCE_MS)
    picture(viewer, pictures / "biomarkers_neighbour.png")
    press(qtbot, dock.evidence_section.close_beside)

    # Three markers side by side, then blended.
    for marker in ("PanCK", "CD8", "DAPI"):
        tick(dock, marker)
    assert all(layer_in_slot(viewer, slot) is not None for slot in SEVERAL_SLOTS[:3])
    dock.bring_into_view(dock.table)
    picture(viewer, pictures / "biomarkers_several.png")
    press(qtbot, dock.arrange.buttons["Blend"])
    assert layer_in_slot(viewer, "marker blend 3").visible
    assert not viewer.canvas.grid.enabled
