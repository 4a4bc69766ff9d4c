from __future__ import annotations

import json
import shutil
import threading

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog, QLineEdit, QWidget

from napari_haiku.atlas.store import Atlas
from napari_haiku.encoding.store import Encoding
from napari_haiku.errors import HaikuError
from napari_haiku.viewer.session import session_store
from napari_haiku.viewer.session.folder import read_session, session_place, write_session
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.counterfactual.counterfactual_dock import CounterfactualDock
from napari_haiku.widgets.frame.haiku_menu import HaikuMenu
from napari_haiku.widgets.frame.session_keeper import keeper_of
from napari_haiku.widgets.niches.niches_dock import NichesDock
from napari_haiku.widgets.similar.similar_dock import SimilarDock

PATIENCE_MS = 60_000


@pytest.fixture
def copy(tmp_path):
    return tmp_path / "elsewhere" / "copy.haiku.session"


def drawn(viewer):
    kinds = ("Points", "Shapes", "Labels")
    names = [layer.name for layer in viewer.layers if type(layer).__name__ in kinds]
    return [name for name in names if "Query" not in name]


def kept_names(place):
    return [layer["name"] for layer in read_session(place).parts["drawn layers"]["layers"]]


def asides(encoding):
    return sorted(encoding.parent.glob("p0 until *.haiku.session"))


class Said(list):
    """What the session says to the user."""

    def __init__(self, viewer):
        self.session = workspace_of(viewer).session
        self.session.spoke.connect(self.take)

    def take(self, state, text):
        self.append((state, text))


@pytest.fixture
def copied(visit, copy):
    """A slide with a copy of its session, changed since."""
    viewer, workspace = visit()
    workspace.selection = 5
    workspace.record = {"stage": "II"}
    viewer.add_points([[1.0, 2.0]], name="First")
    keeper_of(viewer).save_as(copy)
    keeper_of(viewer).wait()
    viewer.layers.remove("First")
    viewer.add_points([[3.0, 4.0]], name="Second")
    workspace.selection = 9
    workspace.record = {"stage": "IV"}
    return viewer, workspace, Said(viewer)


def opened(qtbot, said):
    qtbot.waitUntil(lambda: any(text.startswith("Opened") for _, text in said))


def refused(qtbot, said):
    qtbot.waitUntil(lambda: any(text.startswith("Not opened") for _, text in said))
    return next(text for _, text in said if text.startswith("Not opened"))


def test_a_copy_takes_the_place_of_the_session_which_is_set_aside(qtbot, copied, encoding, copy):
    viewer, workspace, said = copied
    untouched = {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()}
    keeper_of(viewer).open_copy(copy)
    opened(qtbot, said)
    assert (workspace.selection, workspace.record) == (5, {"stage": "II"})
    assert drawn(viewer) == ["First"]
    (aside,) = asides(encoding)
    assert said[-1] == (
        "done",
        f"Opened {copy.name}; what was here before is kept as {aside.name} in {aside.parent}.",
    )
    assert kept_names(aside) == ["Second"]
    assert read_session(aside).parts["workspace"]["selection"] == 9
    # Saved on from there, in its own place.
    viewer.add_points([[5.0, 6.0]], name="Third")
    keeper_of(viewer).save()
    keeper_of(viewer).wait()
    assert kept_names(session_place(encoding)) == ["First", "Third"]
    assert {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()} == untouched
    # And back again.
    keeper_of(viewer).open_copy(aside)
    qtbot.waitUntil(lambda: drawn(viewer) == ["Second"])
    assert [kept_names(one) for one in asides(encoding)] in (
        [["Second"], ["First", "Third"]],
        [["First", "Third"], ["Second"]],
    )


def test_a_stroke_made_meanwhile_goes_with_what_is_set_aside(
    qtbot, copied, encoding, copy, monkeypatch
):
    viewer, _, said = copied
    reached, go_on = threading.Event(), threading.Event()
    replace = session_store.SessionStore.replace

    def slowly(*arguments):
        place = replace(*arguments)
        reached.set()
        go_on.wait(60)
        return place

    monkeypatch.setattr(session_store.SessionStore, "replace", slowly)
    keeper_of(viewer).open_copy(copy)
    qtbot.waitUntil(reached.is_set)
    viewer.add_points([[7.0, 8.0]], name="Late")
    go_on.set()
    opened(qtbot, said)
    (aside,) = asides(encoding)
    assert kept_names(aside) == ["Second", "Late"]
    assert drawn(viewer) == ["First"]


def test_a_copy_of_another_slide_is_refused_and_nothing_changes(
    qtbot, copied, encoding, copy, stores, visit
):
    viewer, workspace, said = copied
    other = encoding.with_name("p1.haiku.zarr")
    shutil.copytree(stores.encoding.with_name("p1.zarr"), other)
    workspace.open_encoding(Encoding.open(other))
    qtbot.waitUntil(lambda: workspace.session.live)
    keeper_of(viewer).open_copy(copy)
    sentence = refused(qtbot, said)
    assert "belongs to p0.haiku.zarr" in sentence
    assert "p1.haiku.zarr is in view" in sentence
    assert kept_names(session_place(encoding)) == ["Second"]
    assert not list(encoding.parent.glob("* until *"))


def test_damaged_newer_and_own_sessions_are_refused_in_one_sentence(
    qtbot, copied, encoding, copy, tmp_path
):
    viewer, workspace, said = copied
    keeper = keeper_of(viewer)
    newer = tmp_path / "newer.haiku.session"
    shutil.copytree(copy, newer)
    content = json.loads((newer / "session.json").read_text()) | {"format_version": 99}
    (newer / "session.json").write_text(json.dumps(content))
    damaged = tmp_path / "damaged.haiku.session"
    write_session(damaged, {})
    (damaged / "session.json").write_text("{")
    for chosen, expected in (
        (newer, "saved by a newer version of napari-haiku"),
        (damaged, "damaged.haiku.session is damaged or no session"),
        (encoding, "p0.haiku.zarr holds no session"),
        (encoding / "zarr.json", "is a file: choose a folder"),
        (tmp_path / "gone", "gone does not exist"),
        (session_place(encoding), "is the session in view"),
    ):
        said.clear()
        keeper.save()
        keeper.open_copy(chosen)
        sentence = refused(qtbot, said)
        assert expected in sentence
        assert sentence.count(".\n") == 0
    assert drawn(viewer) == ["Second"]
    assert workspace.selection == 9
    assert not asides(encoding)


def test_a_second_window_on_the_same_slide_opens_no_copy(qtbot, copied, encoding, copy, visit):
    first, workspace, _ = copied
    keeper_of(first).save()
    keeper_of(first).wait()
    other, elsewhere = visit()
    said = Said(other)
    keeper_of(other).open_copy(copy)
    assert "open in another window" in refused(qtbot, said)
    assert elsewhere.selection == workspace.selection == 9
    assert kept_names(session_place(encoding)) == ["Second"]
    assert not asides(encoding)


@pytest.mark.parametrize("failing", [1, 2])
def test_where_nothing_can_be_written_what_is_in_view_stays(
    qtbot, copied, encoding, copy, monkeypatch, failing
):
    viewer, workspace, said = copied
    keeper = keeper_of(viewer)
    keeper.save()
    keeper.wait()
    # The first writes what is set aside, the second what takes its place.
    calls = []

    def no_room(place, *rest):
        calls.append(place)
        # The first call is the saving of what is in view.
        if len(calls) > failing:
            raise HaikuError(f"{place.parent} cannot be written to: choose another folder.")
        write_session(place, *rest)

    monkeypatch.setattr(session_store, "write_session", no_room)
    keeper.open_copy(copy)
    assert "cannot be written to" in refused(qtbot, said)
    monkeypatch.undo()
    assert drawn(viewer) == ["Second"]
    assert workspace.selection == 9
    assert kept_names(session_place(encoding)) == ["Second"]
    assert not asides(encoding)


def test_the_atlas_of_the_copy_is_opened_with_it(qtbot, visit, stores, copy, tmp_path):
    viewer, workspace = visit()
    first, second = tmp_path / "first.atlas", tmp_path / "second.atlas"
    for place in (first, second):
        shutil.copytree(stores.atlas, place)
    workspace.atlas = Atlas.open(first)
    keeper_of(viewer).save_as(copy)
    workspace.atlas = Atlas.open(second)
    said = Said(viewer)
    keeper_of(viewer).open_copy(copy)
    opened(qtbot, said)
    assert workspace.atlas.path == first
    # Gone: the one in view stays, and the rest comes back all the same.
    workspace.atlas = Atlas.open(second)
    workspace.selection = 3
    shutil.rmtree(first)
    said.clear()
    keeper_of(viewer).open_copy(copy)
    opened(qtbot, said)
    assert any("atlas of last time is gone" in text for _, text in said)
    assert workspace.atlas.path == second
    assert workspace.selection is None


def test_without_its_atlas_a_session_still_comes_back(
    qtbot, visit, close, stores, encoding, tmp_path
):
    viewer, workspace = visit()
    place = tmp_path / "first.atlas"
    shutil.copytree(stores.atlas, place)
    workspace.atlas = Atlas.open(place)
    workspace.selection = 4
    close(viewer)
    shutil.rmtree(place)
    _, workspace = visit()
    qtbot.waitUntil(lambda: workspace.selection == 4)


def name(dock, row, text):
    """Type a niche's name as the keyboard does."""
    item = dock.table.item(row, 0)
    dock.table.setCurrentItem(item)
    dock.table.editItem(item)
    editor = dock.table.findChild(QLineEdit)
    editor.setText(text)
    delegate = dock.table.itemDelegateForColumn(0)
    delegate.commitData.emit(editor)
    delegate.closeEditor.emit(editor)


def test_the_menu_brings_niches_names_hits_and_scenarios_back(
    qtbot, workspace, viewer, open_dock, copy, monkeypatch
):
    def project(path, _modality):
        yield from ()
        return np.asarray(Encoding.open(path).centres_um, np.float32)

    monkeypatch.setattr(NichesDock, "project", staticmethod(project))
    niches, similar, edits = (
        open_dock(kind) for kind in (NichesDock, SimilarDock, CounterfactualDock)
    )
    parent = QWidget()
    qtbot.addWidget(parent)
    menu = HaikuMenu(viewer, lambda: None, parent)
    qtbot.waitUntil(lambda: workspace.session.live)

    def settle():
        qtbot.waitUntil(
            lambda: not any(dock.is_running() for dock in (niches, similar, edits)),
            timeout=PATIENCE_MS,
        )

    workspace.selection = 7
    with qtbot.waitSignal(niches.finished, timeout=PATIENCE_MS):
        niches.primary.click()
    settle()
    name(niches, 0, "Tumour nest")
    similar.keeping.keep_button.click()
    hits = [card.row for card in similar.cards]
    edits.live.setChecked(False)
    edits.set_field("stage", "IV")
    before = np.array(workspace.niches.labels[0])
    assert workspace.niches.names[1] == "Tumour nest"

    menu.save_copy(copy)
    keeper_of(viewer).wait()
    with qtbot.waitSignal(niches.finished, timeout=PATIENCE_MS):
        niches.set_clusters(6)
    similar.keeping.bar.put([])
    edits.reset()
    workspace.selection = 2
    settle()

    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", staticmethod(lambda *_args, **_kw: str(copy))
    )
    said = Said(viewer)
    menu.aboutToShow.emit()
    entry = menu.entries["Open session..."]
    assert entry.isEnabled()
    entry.trigger()
    assert edits.strip.state == "running"
    assert edits.strip.text == f"Bringing back {copy.name}..."
    opened(qtbot, said)
    settle()
    np.testing.assert_array_equal(workspace.niches.labels[0], before)
    assert workspace.niches.names[1] == "Tumour nest"
    assert niches.table.item(0, 0).text() == "Tumour nest"
    assert niches.settings.clusters.value() == 4
    assert [one.name for one in similar.keeping.bar.kept] == ["Hits 1"]
    assert [card.row for card in similar.cards] == hits
    assert edits.edits == {"stage": "IV"}
    assert "Opened copy.haiku.session" in niches.strip.text


def test_there_is_nothing_to_open_over_a_slide_that_is_not_encoded(qtbot, viewer, tmp_path):
    parent = QWidget()
    qtbot.addWidget(parent)
    menu = HaikuMenu(viewer, lambda: None, parent)
    workspace_of(viewer).session.put(tmp_path / "x.haiku.session")
    assert not menu.entries["Open session..."].isEnabled()
