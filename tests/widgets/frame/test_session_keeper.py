from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_haiku.encoding.store import Encoding
from napari_haiku.viewer.session.folder import read_session, session_place, write_session
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.frame.session_keeper import keep_session, keeper_of


def read(encoding):
    kept = read_session(session_place(encoding))
    return None if kept is None else kept.parts


def test_what_was_drawn_selected_and_set_comes_back(qtbot, visit, close, encoding):
    viewer, workspace = visit()
    workspace.selection = 7
    workspace.marker = "CD8"
    workspace.record = {"stage": "II"}
    shapes = viewer.add_shapes(
        [np.array([[0, 0], [0, 50], [50, 50.0]])],
        shape_type="polygon",
        name="Tumour edge",
        units=("um", "um"),
    )
    shapes.features = {"class": ["tumour"]}
    viewer.add_labels(np.eye(4, dtype=np.uint8), name="Painted", scale=(100, 100))
    viewer.add_points([[1.0, 2.0]], name="Mitoses")
    close(viewer)

    again, workspace = visit()
    qtbot.waitUntil(lambda: workspace.selection == 7)
    assert (workspace.marker, workspace.record) == ("CD8", {"stage": "II"})
    assert [layer.name for layer in again.layers if "Query" not in layer.name] == [
        "Tumour edge",
        "Painted",
        "Mitoses",
    ]
    back = again.layers["Tumour edge"]
    np.testing.assert_array_equal(back.data[0], shapes.data[0])
    assert list(back.shape_type) == ["polygon"]
    assert list(back.features["class"]) == ["tumour"]
    assert [str(unit) for unit in back.units] == ["micrometer"] * 2
    np.testing.assert_array_equal(again.layers["Painted"].data, np.eye(4))
    assert tuple(again.layers["Painted"].scale) == (100, 100)


def test_a_stroke_is_on_disk_a_moment_later(qtbot, visit, encoding):
    viewer, _ = visit()
    labels = viewer.add_labels(np.zeros((8, 8), np.uint8), name="Painted")
    labels.paint((3, 3), 1)

    def saved():
        parts = read(encoding)
        layers = parts["drawn layers"]["layers"] if parts else []
        assert layers
        assert layers[0]["data"].any()

    qtbot.waitUntil(saved)


def test_emptying_the_layer_list_on_closing_deletes_nothing(visit, close, encoding):
    viewer, _ = visit()
    names = ["Mitoses", "Glands", "Edge"]
    for name in names:
        viewer.add_points([[1.0, 2.0]], name=name)
    viewer.layers.clear()
    close(viewer)
    assert [layer["name"] for layer in read(encoding)["drawn layers"]["layers"]] == names


def test_a_layer_that_the_user_deletes_stays_deleted(qtbot, visit, close, encoding):
    viewer, _ = visit()
    viewer.add_points([[1.0, 2.0]], name="Kept")
    viewer.add_points([[1.0, 2.0]], name="Deleted")
    viewer.layers.remove("Deleted")
    close(viewer)
    assert [layer["name"] for layer in read(encoding)["drawn layers"]["layers"]] == ["Kept"]


def test_what_was_drawn_on_one_slide_is_not_kept_with_the_next(
    qtbot, visit, close, encoding, stores
):
    viewer, workspace = visit()
    viewer.add_points([[1.0, 2.0]], name="On the first")
    other = encoding.with_name("p1.haiku.zarr")
    shutil.copytree(stores.encoding.with_name("p1.zarr"), other)
    workspace.selection = 3
    workspace.open_encoding(Encoding.open(other))
    qtbot.waitUntil(lambda: workspace.session.live)
    viewer.add_points([[1.0, 2.0]], name="On the second")
    close(viewer)
    first, second = read(encoding), read(other)
    assert [layer["name"] for layer in first["drawn layers"]["layers"]] == ["On the first"]
    assert first["workspace"]["selection"] == 3
    assert [layer["name"] for layer in second["drawn layers"]["layers"]] == ["On the second"]
    assert second["workspace"]["selection"] is None


def test_a_second_window_on_the_same_slide_says_that_it_does_not_save(qtbot, visit, encoding):
    viewer, workspace = visit()
    workspace.selection = 2
    keeper_of(viewer).save()
    keeper_of(viewer).wait()
    said = []
    other = ViewerModel()
    workspace_of(other).session.spoke.connect(lambda _state, text: said.append(text))
    _, elsewhere = visit(other)
    qtbot.waitUntil(lambda: bool(said))
    assert "another window" in said[0]
    elsewhere.selection = 9
    keeper_of(other).save()
    keeper_of(other).wait()
    assert read(encoding)["workspace"]["selection"] == 2


def test_looking_at_a_slide_that_is_not_encoded_leaves_nothing(qtbot, tmp_path):
    viewer = ViewerModel()
    leave = keep_session(viewer)
    session = workspace_of(viewer).session
    session.put(tmp_path / "x.haiku.session")
    qtbot.waitUntil(lambda: session.live)
    viewer.add_image(np.zeros((4, 4)))
    viewer.scene.camera.zoom = 3
    leave()
    assert [path.name for path in tmp_path.iterdir() if "session" in path.name] == []


def test_a_newer_session_is_left_alone(qtbot, visit, encoding):
    file = session_place(encoding) / "session.json"
    write_session(file.parent, {}, None)
    newer = json.loads(file.read_text()) | {"format_version": 99}
    file.write_text(json.dumps(newer))
    viewer = ViewerModel()
    workspace, said = workspace_of(viewer), []
    workspace.session.spoke.connect(lambda state, text: said.append((state, text)))
    leave = keep_session(viewer)
    workspace.open_encoding(Encoding.open(encoding))
    qtbot.waitUntil(lambda: bool(said))
    leave()
    assert "newer version" in said[0][1]
    assert json.loads(file.read_text()) == newer


def test_a_copy_can_be_saved_elsewhere(qtbot, visit, encoding, tmp_path):
    viewer, workspace = visit()
    workspace.selection = 5
    keeper_of(viewer).save_as(tmp_path / "copy.haiku.session")
    keeper_of(viewer).wait()
    assert read_session(tmp_path / "copy.haiku.session").parts["workspace"]["selection"] == 5


_KILLED = """
    import sys, time
    from pathlib import Path
    import numpy as np
    from qtpy.QtWidgets import QApplication
    from napari.components import ViewerModel
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.viewer.workspace import workspace_of
    from napari_haiku.widgets.frame.session_keeper import keep_session

    application = QApplication([])
    viewer = ViewerModel()
    keep_session(viewer)
    workspace_of(viewer).open_encoding(Encoding.open(Path(sys.argv[1])))
    labels, strokes = None, 0
    while True:
        application.processEvents()
        if not workspace_of(viewer).session.live:
            continue
        if labels is None:
            labels = viewer.add_labels(np.zeros((40, 40), np.uint8), name="Painted")
        labels.paint((strokes // 40, strokes % 40), 1)
        strokes += 1
        for _ in range(60):
            application.processEvents()
            time.sleep(0.005)
        print(strokes, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_a_killed_window_has_every_finished_stroke(qtbot, visit, encoding):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_KILLED), str(encoding)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    finished = 0
    for line in process.stdout:
        finished = int(line)
        if finished >= 4:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    said = []
    viewer = ViewerModel()
    workspace_of(viewer).session.spoke.connect(lambda _state, text: said.append(text))
    visit(viewer)
    qtbot.waitUntil(lambda: "Painted" in viewer.layers)
    assert int((viewer.layers["Painted"].data != 0).sum()) >= finished
    assert "closed unexpectedly" in said[0]
