"""Niches by clicking: find, change the number, rename, paint, undo, lasso, neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from e2e.test_journeys import PATIENCE_MS, bench, open_and_encode, picture, pictures, press
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QLineEdit

from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.niches.niche_layers import NICHES
from napari_haiku.viewer.niches.spotlight import SPOTLIGHT
from napari_haiku.widgets.journey import click_tissue, process_events

__all__ = ["bench", "pictures"]
pytestmark = pytest.mark.e2e


def lasso(widget, corners):
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    kinds = QEvent.Type
    steps = [(kinds.MouseButtonPress, corners[0], left, left)]
    steps += [(kinds.MouseMove, corner, none, left) for corner in corners[1:]]
    steps.append((kinds.MouseButtonRelease, corners[-1], left, none))
    for kind, corner, button, held in steps:
        at = QPointF(*corner)
        plain = Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(widget, QMouseEvent(kind, at, at, button, held, plain))
        process_events(0.02)


def test_niches(bench, qtbot, slide, pictures):
    viewer, workbench = bench
    open_and_encode(qtbot, workbench, slide)
    dock = workbench.docks["Niches"]
    dock.go_to("Niches")
    workspace = dock.workspace
    press(qtbot, dock.primary)
    qtbot.waitUntil(lambda: workspace.niches is not None, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: dock.map_section.points is not None, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: not dock.is_running(), timeout=PATIENCE_MS)
    viewer.fit_to_view()

    # Rename the first one by double-click and keyboard.
    item = dock.table.item(0, 0)
    where = dock.table.visualItemRect(item).center()
    qtbot.mouseClick(dock.table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    qtbot.mouseDClick(dock.table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    editor = dock.table.findChild(QLineEdit)
    editor.selectAll()
    qtbot.keyClicks(editor, "Mine")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    # Enter is handed to the table once its editor is done with it.
    qtbot.waitUntil(lambda: "Mine" in workspace.niches.names.values(), timeout=PATIENCE_MS)
    named = [niche for niche, name in workspace.niches.names.items() if name == "Mine"]
    assert len(named) == 1, workspace.niches.names
    first = named[0]
    assert not dock.table.item(0, 0).font().italic()

    # Paint one patch into it on the canvas, and take it back.
    press(qtbot, dock.tools.paint)
    before = workspace.niches.labels[0].copy()
    row = int(np.flatnonzero(before != first)[0])
    x, y = workspace.encoding.centres_um[row]
    click_tissue(viewer, dock, float(x), float(y))
    qtbot.waitUntil(lambda: workspace.niches.labels[0][row] == first, timeout=PATIENCE_MS)
    layer_in_slot(viewer, NICHES).undo()
    qtbot.waitUntil(lambda: np.array_equal(workspace.niches.labels[0], before), timeout=PATIENCE_MS)
    press(qtbot, dock.tools.paint)

    # Lasso half of the map: the patches light up on the slide.
    patches = dock.map_section.map
    half, low = patches.width() / 2, patches.height() - 1
    lasso(patches, [(0, 0), (half, 0), (half, low), (0, low)])
    qtbot.waitUntil(lambda: layer_in_slot(viewer, SPOTLIGHT) is not None, timeout=PATIENCE_MS)
    assert dock.map_section.count.isVisible()
    picture(viewer, pictures / "niches.png")
    press(qtbot, dock.map_section.forget)
    assert layer_in_slot(viewer, SPOTLIGHT) is None

    # Which niches touch.
    press(qtbot, dock.figures.view.buttons["Neighbours"])
    qtbot.waitUntil(lambda: len(dock.figures.graph.contacts) > 0, timeout=PATIENCE_MS)
    dock.bring_into_view(dock.figures)
    picture(viewer, pictures / "niches_neighbours.png")
