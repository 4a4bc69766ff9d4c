"""One dock at a time in a real window, by clicking what a user clicks, each leaving its picture."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QOpenGLWidget

from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.session.folder import read_session, session_place
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.journey import click_tissue, process_events

pytestmark = pytest.mark.e2e
PATIENCE_MS = 120_000
RECORD_ROW = "tissue\tdisease\tgrade\tstage\nColon\tCarcinoma\tlow\tII"


@pytest.fixture
def pictures(tmp_path):
    """Folder of the pictures; a person who wants to look names it."""
    folder = Path(os.environ.get("HAIKU_PICTURES", tmp_path / "pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def bench(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1366, 768)
    _, bench = viewer.window.add_plugin_dock_widget("napari-haiku", "Workbench")
    bench = getattr(bench, "__wrapped__", bench)
    qtbot.waitUntil(lambda: len(bench.docks) == 5, timeout=PATIENCE_MS)
    return viewer, bench


def picture(viewer, path):
    process_events(0.4)
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    assert path.stat().st_size > 20_000


def press(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def drag(viewer, dock, places_um):
    """Drag the left button over the canvas along some places of the slide."""
    canvas = dock.window().findChildren(QOpenGLWidget)[0]
    camera = viewer.scene.camera

    def send(kind, place, button, held):
        at = QPointF(
            canvas.width() / 2 + (place[0] - camera.center[-1]) * camera.zoom,
            canvas.height() / 2 + (place[1] - camera.center[-2]) * camera.zoom,
        )
        everywhere = QPointF(canvas.mapToGlobal(at.toPoint()))
        event = QMouseEvent(kind, at, everywhere, button, held, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(canvas, event)
        process_events(0.02)

    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    send(QEvent.Type.MouseMove, places_um[0], none, none)
    send(QEvent.Type.MouseButtonPress, places_um[0], left, left)
    for place in places_um[1:]:
        send(QEvent.Type.MouseMove, place, none, left)
    send(QEvent.Type.MouseButtonRelease, places_um[-1], left, none)


def open_and_encode(qtbot, bench, slide):
    dock = bench.docks["Encode"]
    dock.slides.open([slide.he, slide.mif])
    qtbot.waitUntil(lambda: dock.ready, timeout=PATIENCE_MS)
    QApplication.clipboard().setText(RECORD_ROW)
    press(qtbot, dock.form.paste_button)
    qtbot.waitUntil(lambda: dock.ready, timeout=PATIENCE_MS)
    press(qtbot, dock.primary)
    qtbot.waitUntil(lambda: dock.workspace.encoding is not None, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: not dock.is_running(), timeout=PATIENCE_MS)
    return dock


def test_encode(bench, qtbot, slide, pictures):
    viewer, workbench = bench
    dock = open_and_encode(qtbot, workbench, slide)
    assert dock.strip.text.startswith("Encoded. 96 patches")
    assert dock.workspace.encoding.record["stage"] == "II"
    line = workbench.line.text
    assert "96 patches encoded" in line
    qtbot.waitUntil(lambda: "saved " in workbench.line.text, timeout=PATIENCE_MS)
    picture(viewer, pictures / "encode.png")
    press(qtbot, dock.primary)
    assert workbench.docks["Similar tissue"].isVisible()


def test_similar(bench, qtbot, slide, pictures):
    viewer, workbench = bench
    open_and_encode(qtbot, workbench, slide)
    press(qtbot, workbench.docks["Encode"].primary)
    dock = workbench.docks["Similar tissue"]
    dock.atlases.open(slide.atlas)
    qtbot.waitUntil(lambda: dock.workspace.atlas is not None, timeout=PATIENCE_MS)
    viewer.fit_to_view()
    process_events(0.3)

    def settled(asked):
        qtbot.waitUntil(
            lambda: dock.found is not None and asked(dock.found.question), timeout=PATIENCE_MS
        )
        qtbot.waitUntil(lambda: not dock.is_running(), timeout=PATIENCE_MS)

    click_tissue(viewer, dock, 650.0, 450.0)
    settled(lambda question: question.patch is not None)
    assert tuple(dock.workspace.encoding.centres_um[dock.workspace.selection]) == (650.0, 450.0)
    press(qtbot, dock.keeping.keep_button)

    # A box over some patches asks as one.
    press(qtbot, dock.ask.look_for.buttons["Box"])
    before = viewer.scene.camera.center
    drag(viewer, dock, [(205.0, 205.0), (400.0, 300.0), (595.0, 395.0)])
    settled(lambda question: bool(question.region))
    chosen = dock.workspace.encoding.centres_um[list(dock.workspace.region)]
    assert len(chosen) == 8
    assert (chosen > [200, 200]).all()
    assert (chosen < [600, 400]).all()
    assert viewer.scene.camera.center == before
    assert layer_in_slot(viewer, "query region").visible
    press(qtbot, dock.keeping.keep_button)
    press(qtbot, dock.keeping.compare_button)
    qtbot.waitUntil(lambda: dock.keeping.bar.table.rowCount() > 3, timeout=PATIENCE_MS)
    picture(viewer, pictures / "similar.png")

    # A hit of another patient opens beside; back again with J.
    press(qtbot, dock.gallery.tiles[0])
    qtbot.waitUntil(lambda: layer_in_slot(viewer, "slide beside") is not None, timeout=PATIENCE_MS)
    picture(viewer, pictures / "similar_beside.png")
    dock.key_actions()["back to the query"]()
    assert layer_in_slot(viewer, "slide beside") is None


def test_everything_is_back_at_the_next_visit(make_napari_viewer, qtbot, slide):
    def visit():
        viewer = make_napari_viewer(show=True)
        _, bench = viewer.window.add_plugin_dock_widget("napari-haiku", "Workbench")
        bench = getattr(bench, "__wrapped__", bench)
        qtbot.waitUntil(lambda: len(bench.docks) == 5, timeout=PATIENCE_MS)
        return viewer, bench

    viewer, workbench = visit()
    open_and_encode(qtbot, workbench, slide)
    similar = workbench.docks["Similar tissue"]
    similar.atlases.open(slide.atlas)
    qtbot.waitUntil(lambda: similar.workspace.atlas is not None, timeout=PATIENCE_MS)
    similar.workspace.selection = 40
    qtbot.waitUntil(lambda: similar.found is not None, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: not similar.is_running(), timeout=PATIENCE_MS)
    press(qtbot, similar.keeping.keep_button)
    viewer.add_shapes(
        [np.array([[0, 0], [0, 300], [300, 300.0]])], shape_type="polygon", name="Edge"
    )
    viewer.close()
    process_events(0.1)
    kept = read_session(session_place(slide.encoding.with_name("p0_he.haiku.zarr")))
    assert set(kept.parts) >= {"Encode", "Similar tissue", "workspace", "drawn layers"}

    viewer, workbench = visit()
    encode = workbench.docks["Encode"]
    encode.slides.open([slide.he, slide.mif])
    workspace = workspace_of(viewer)
    qtbot.waitUntil(lambda: workspace.selection == 40, timeout=PATIENCE_MS)
    similar = workbench.docks["Similar tissue"]
    qtbot.waitUntil(lambda: similar.found is not None, timeout=PATIENCE_MS)
    assert workspace.atlas.path == slide.atlas.resolve()
    assert [one.name for one in similar.keeping.bar.kept] == ["Hits 1"]
    assert "Edge" in viewer.layers
    assert workspace.record["stage"] == "II"
    assert encode.primary.text().startswith("Find similar tissue")


def test_layers_removed_and_renamed_in_the_middle_of_a_job(bench, qtbot, slide):
    viewer, workbench = bench
    dock = workbench.docks["Encode"]
    dock.slides.open([slide.he, slide.mif])
    qtbot.waitUntil(lambda: dock.ready, timeout=PATIENCE_MS)
    press(qtbot, dock.primary)
    for layer in list(viewer.layers):
        layer.name = f"renamed {layer.name}"
    viewer.layers.clear()
    qtbot.waitUntil(lambda: dock.workspace.encoding is not None, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: not dock.is_running(), timeout=PATIENCE_MS)
    assert dock.workspace.encoding.complete
    assert dock.strip.state == "done"
    # Only what the docks themselves draw is there again.
    assert layer_in_slot(viewer, "patches") is not None


def test_two_viewers_do_not_mix(make_napari_viewer, qtbot, slide):
    first, second = make_napari_viewer(show=True), make_napari_viewer(show=True)
    docks = []
    for viewer in (first, second):
        _, dock = viewer.window.add_plugin_dock_widget("napari-haiku", "Encode")
        docks.append(getattr(dock, "__wrapped__", dock))
    docks[0].slides.open([slide.he])
    qtbot.waitUntil(lambda: docks[0].workspace.has_slide, timeout=PATIENCE_MS)
    assert not docks[1].workspace.has_slide
    assert len(second.layers) == 0
    first.close()
    process_events(0.1)
    docks[1].slides.open([slide.mif])
    qtbot.waitUntil(lambda: docks[1].workspace.has_slide, timeout=PATIENCE_MS)
    assert docks[1].workspace.mif is not None
