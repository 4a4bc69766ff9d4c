from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.atlas.build import build_atlas
from napari_haiku.jobs import run_job
from napari_haiku.model.loading import load_model
from napari_haiku.model.searched_words import searched_words
from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.search.region_drawing import show_region
from napari_haiku.widgets.similar.similar_dock import BEFORE, SimilarDock
from napari_haiku.widgets.similar.word_line import EXAMPLE

PATIENCE_MS = 60_000


@pytest.fixture
def dock(open_dock, workspace):
    return open_dock(SimilarDock)


def answered(qtbot, dock, change):
    """Change something and wait for the next answer."""
    before = None if dock.found is None else dock.found.hits
    change()
    # Pictures that come later change the answer, but not its hits.
    qtbot.waitUntil(
        lambda: dock.found is not None and dock.found.hits is not before, timeout=PATIENCE_MS
    )
    return dock.found


def select(dock, row=40):
    return lambda: setattr(dock.workspace, "selection", row)


def test_a_selection_is_searched_at_once_and_shown(qtbot, dock):
    found = answered(qtbot, dock, select(dock))
    assert dock.gallery.isVisible()
    assert len(found.cards) == 50
    assert dock.gallery.ranks_in_view == frozenset(range(1, 10))
    assert "patients · found in" in dock.header.text()
    assert dock.workspace.hits is found.hits
    assert layer_in_slot(dock.viewer, "similarity").visible
    assert len(layer_in_slot(dock.viewer, "hits").data) == 0


def test_weights_re_rank(qtbot, dock):
    qtbot.waitUntil(lambda: set(dock.ask.weights.weights()) == {"he", "mif", "text"})
    first = answered(qtbot, dock, select(dock))
    dock.ask.weights.slider("mif").setValue(20)
    # Among the hits at hand at once, among all once the slider rests.
    second = dock.found
    assert second is not first
    assert {c.row for c in second.cards} == {c.row for c in first.cards}
    qtbot.waitUntil(
        lambda: dock.found.hits is not second.hits and not dock.is_running(), timeout=PATIENCE_MS
    )
    assert dock.found.question.weights["mif"] == 1.0
    second = dock.found
    assert [c.similarity for c in first.cards] != [c.similarity for c in second.cards]


def test_a_filter_chip_narrows_and_its_removal_widens(qtbot, dock):
    answered(qtbot, dock, select(dock))
    found = answered(qtbot, dock, lambda: dock.ask.chips.set_filter("stage", "IV"))
    assert all("stage: IV" in card.record for card in found.cards)
    found = answered(qtbot, dock, dock.ask.chips.remove_last)
    assert found.question.filters == {}


def test_the_overlay_can_be_put_away_and_taken_out(qtbot, dock):
    answered(qtbot, dock, select(dock))
    dock.overlay.setChecked(False)
    assert not layer_in_slot(dock.viewer, "similarity").visible
    dock.overlay.setChecked(True)
    assert layer_in_slot(dock.viewer, "similarity").visible


def test_words_are_searched_and_an_empty_line_is_not(qtbot, dock):
    dock.ask.look_for.buttons["Text"].click()
    dock.asking.search()
    assert not dock.is_running("search")
    dock.ask.words.line.setText("stage: IV")
    found = answered(qtbot, dock, dock.asking.search)
    assert found.question.patch is None
    assert found.question.words is not None


def test_only_unknown_words_are_refused(qtbot, dock, stores, monkeypatch):
    monkeypatch.setattr(type(stores.model), "unknown_words", lambda _self, text: (text,))
    dock.ask.look_for.buttons["Text"].click()
    dock.ask.words.line.setText("desmoplasia")
    dock.asking.search()
    qtbot.waitUntil(lambda: dock.strip.state == "failed", timeout=PATIENCE_MS)
    assert "never read any of these words" in dock.strip.text


def test_refused_words_leave_no_hits_of_the_question_before(qtbot, dock, stores, monkeypatch):
    answered(qtbot, dock, select(dock))
    unknown = ("lymphoid", "aggregate", "at", "edge")
    monkeypatch.setattr(type(stores.model), "unknown_words", lambda _self, _text: unknown)
    dock.ask.look_for.buttons["Text"].click()
    dock.ask.words.line.setText("lymphoid aggregate at the edge")
    dock.asking.search()
    qtbot.waitUntil(lambda: dock.strip.state == "failed", timeout=PATIENCE_MS)
    assert "nothing to search for" in dock.strip.text
    assert "nothing to search for" in dock.ask.words.remark.text()
    assert (dock.found, dock.workspace.hits) == (None, None)
    assert not dock.gallery.isVisible()
    assert layer_in_slot(dock.viewer, "similarity") is None


def test_hits_are_those_of_the_question_before_once_a_filter_leaves_nothing(qtbot, dock):
    answered(qtbot, dock, select(dock))
    dock.ask.chips.set_filter("stage", "no such stage")
    qtbot.waitUntil(lambda: dock.strip.state == "failed", timeout=PATIENCE_MS)
    assert dock.header.text() == BEFORE
    answered(qtbot, dock, dock.ask.chips.remove_last)
    assert "found in" in dock.header.text()


def test_the_example_is_of_words_the_shipped_model_has_read():
    example = EXAMPLE.removeprefix("e.g. ")
    model = load_model()
    assert model.unknown_words(example) == ()
    assert searched_words(example, ()) == tuple(example.split())


def test_glass_is_said_to_be_glass(dock):
    dock.workspace.events.glass.emit(140.0)
    assert dock.strip.text == "That is glass; nearest tissue is 140 µm away."


@pytest.fixture
def own_atlas(stores, tmp_path):
    """An atlas of the slide in view alone."""
    return run_job(build_atlas([stores.encoding], tmp_path / "own"))


def test_the_same_patient_is_named_when_it_may_answer(qtbot, dock, own_atlas):
    answered(qtbot, dock, select(dock))
    dock.workspace.within_patient_um = 300.0
    answered(qtbot, dock, lambda: setattr(dock.workspace, "atlas", own_atlas))
    qtbot.waitUntil(lambda: not dock.is_running(), timeout=PATIENCE_MS)
    assert all(card.this_slide for card in dock.found.cards)
    assert "same patient" in dock.remark.text()
    assert len(layer_in_slot(dock.viewer, "hits").data) == len(dock.found.cards)
    x, y = dock.workspace.encoding.centres_um[40]
    for card in dock.found.cards:
        dx, dy = card.position_um[0] - x, card.position_um[1] - y
        assert (dx**2 + dy**2) ** 0.5 >= 300


def test_a_one_patient_atlas_of_the_same_patient_offers_the_way_out(qtbot, dock, own_atlas):
    dock.workspace.atlas = own_atlas
    select(dock)()
    qtbot.waitUntil(lambda: dock.strip.state == "failed", timeout=PATIENCE_MS)
    assert [button.text() for button in dock.strip.buttons] == ["This slide, 500 µm away or more"]
    assert "--within" not in dock.strip.text


def test_another_slide_clears_the_answer(qtbot, dock):
    answered(qtbot, dock, select(dock))
    dock.workspace.open_encoding(None)
    assert dock.found is None
    assert layer_in_slot(dock.viewer, "similarity") is None


def rings(viewer):
    return layer_in_slot(viewer, "query region")


def test_an_outline_asks_with_the_patches_inside(qtbot, dock):
    dock.ask.look_for.buttons["Box"].click()
    assert dock.asking.drawing.kind == "box"
    assert not dock.viewer.scene.camera.mouse_pan
    centres = dock.workspace.encoding.centres_um
    outline = np.array([[100, 100], [400, 100], [400, 300], [100, 300.0]])

    def draw():
        show_region(dock.viewer, outline)
        dock.asking._outlined(outline)

    found = answered(qtbot, dock, draw)
    inside = np.flatnonzero(((centres > [100, 100]) & (centres < [400, 300])).all(axis=1))
    assert found.question.region == tuple(inside)
    assert dock.workspace.selection is None
    assert rings(dock.viewer) is not None
    # A click afterwards asks about one patch again, and drags pan.
    answered(qtbot, dock, select(dock))
    assert dock.ask.kind == "Click"
    assert dock.workspace.region == ()
    assert rings(dock.viewer) is None
    assert dock.viewer.scene.camera.mouse_pan


def test_drawing_around_glass_says_so(dock):
    dock.asking._outlined(np.array([[-500, -500], [-400, -500], [-400, -400.0]]))
    assert "around tissue" in dock.strip.text


def test_drags_pan_again_while_another_dock_is_in_view(dock):
    dock.ask.look_for.buttons["Lasso"].click()
    dock.hide()
    assert dock.viewer.scene.camera.mouse_pan
    dock.show()
    assert dock.asking.drawing.kind == "lasso"


def test_not_this_one_is_left_out_until_something_else_is_asked(qtbot, dock):
    first = answered(qtbot, dock, select(dock))
    gone = first.cards[0].row
    second = answered(qtbot, dock, lambda: dock.asking.refuse(1))
    assert gone not in [card.row for card in second.cards]
    assert len(second.cards) == len(first.cards)
    answered(qtbot, dock, select(dock, 41))
    assert dock.asking.refused == set()


def test_hits_are_kept_named_compared_and_come_back(qtbot, dock):
    bar = dock.keeping.bar
    answered(qtbot, dock, select(dock))
    dock.keeping.keep_button.click()
    assert not dock.keeping.compare_button.isEnabled()
    bar.names.lineEdit().setText("Dark end")
    bar.names.lineEdit().editingFinished.emit()
    answered(qtbot, dock, select(dock, 2))
    dock.keeping.keep_button.click()
    assert [one.name for one in bar.kept] == ["Dark end", "Hits 1"]
    assert len(bar.kept[0].rows) == 50
    dock.keeping.compare_button.click()
    qtbot.waitUntil(lambda: bar.table.rowCount() > 0, timeout=PATIENCE_MS)
    assert bar.table.isVisibleTo(dock)
    assert bar.table.horizontalHeaderItem(1).text() == "Hits 1"
    state = dock.session_state()
    bar.put([])
    dock.keeping.restore(state["kept"])
    assert [one.name for one in bar.kept] == ["Dark end", "Hits 1"]
    bar.names.setCurrentIndex(1)
    bar.names.activated.emit(1)
    qtbot.waitUntil(
        lambda: [card.row for card in dock.cards] == list(bar.kept[0].rows), timeout=PATIENCE_MS
    )


def test_single_hits_are_kept_by_their_rank(qtbot, dock):
    found = answered(qtbot, dock, select(dock))
    dock.gallery.select(3)
    dock.key_actions()["keep"]()
    dock.key_actions()["keep"]()
    dock.gallery.select(1)
    dock.key_actions()["keep"]()
    (kept,) = dock.keeping.bar.kept
    assert kept.rows == (found.cards[2].row, found.cards[0].row)
    assert dock.keeping.bar.current is None


def test_kept_hits_of_another_atlas_say_which(qtbot, dock, own_atlas):
    answered(qtbot, dock, select(dock))
    dock.keeping.keep_button.click()
    dock.workspace.within_patient_um = 300.0
    dock.workspace.atlas = own_atlas
    dock.keeping.bar.names.setCurrentIndex(1)
    dock.keeping.bar.names.activated.emit(1)
    assert "was kept from the atlas" in dock.strip.text


def test_hits_are_exported(qtbot, dock, tmp_path):
    answered(qtbot, dock, select(dock))
    for name in ("hits.csv", "hits.png"):
        dock.keeping.export(tmp_path / name)
        qtbot.waitUntil(lambda n=name: n in dock.strip.text, timeout=PATIENCE_MS)
        assert (tmp_path / name).stat().st_size > 200
    text = (tmp_path / "hits.csv").read_text(encoding="utf-8")
    assert text.startswith("# Similar tissue: H&E patches like the patch at")
    assert "patient 1" not in text


def test_hits_on_this_slide_go_to_qupath_and_others_are_refused(
    qtbot, dock, own_atlas, tmp_path, stores
):
    import json

    answered(qtbot, dock, select(dock))
    dock.keeping.export(tmp_path / "others.geojson")
    qtbot.waitUntil(lambda: dock.strip.state == "failed", timeout=PATIENCE_MS)
    assert "None of these hits lies on this slide" in dock.strip.text
    dock.workspace.within_patient_um = 300.0
    answered(qtbot, dock, lambda: setattr(dock.workspace, "atlas", own_atlas))
    qtbot.waitUntil(lambda: not dock.is_running(), timeout=PATIENCE_MS)
    dock.keeping.export(tmp_path / "own.geojson")
    qtbot.waitUntil(lambda: (tmp_path / "own.geojson").exists(), timeout=PATIENCE_MS)
    features = json.loads((tmp_path / "own.geojson").read_text())["features"]
    card = dock.cards[0]
    ring = np.array(features[0]["geometry"]["coordinates"][0])
    # The H&E's pixels are 1 um wide and start at 0.
    np.testing.assert_allclose(ring[:4].mean(axis=0), card.position_um, atol=0.01)
    np.testing.assert_allclose(np.ptp(ring, axis=0), [100, 100], atol=0.01)
    assert features[0]["properties"]["measurements"]["rank"] == 1


def test_keys_walk_through_the_hits_and_back(qtbot, dock):
    found = answered(qtbot, dock, select(dock))
    keys = dock.key_actions()
    keys["next hit"]()
    keys["next hit"]()
    assert dock.gallery.selected == 2
    beside = lambda: layer_in_slot(dock.viewer, "slide beside")  # noqa: E731
    qtbot.waitUntil(lambda: beside() is not None and not dock.is_running(), timeout=PATIENCE_MS)
    assert found.cards[1].whose in beside().name
    # The hit lies where the query does, so that both pan and zoom together.
    x, y = dock.workspace.encoding.centres_um[40]
    np.testing.assert_allclose(layer_in_slot(dock.viewer, "hit beside").data, [[y, x]] * 2)
    assert dock.viewer.canvas.grid.enabled
    keys["previous hit"]()
    keys["previous hit"]()
    assert dock.gallery.selected == 50
    qtbot.waitUntil(lambda: not dock.is_running(), timeout=PATIENCE_MS)
    keys["back to the query"]()
    assert not dock.viewer.canvas.grid.enabled
    assert beside() is None


def test_unknown_words_are_underlined_and_named_while_typed(qtbot, dock, stores, monkeypatch):
    monkeypatch.setattr(
        type(stores.model),
        "unknown_words",
        lambda _self, text: tuple(w for w in text.split() if w.startswith("desmo")),
    )
    dock.ask.look_for.buttons["Text"].click()
    qtbot.waitUntil(lambda: dock.ask.words._unknown_words is not None, timeout=PATIENCE_MS)
    dock.ask.words.line.setText("stage desmoplasia")
    assert dock.ask.words.unknown == ("desmoplasia",)
    assert dock.ask.words.line.spans == [(6, 17)]
    dock.ask.words.line.grab()
    assert dock.ask.words.remark.text() == (
        'The model has never read "desmoplasia": underlined words are ignored.'
    )
    assert dock.ask.words.line.text() == "stage desmoplasia"
    dock.ask.words.line.setText("desmoplasia")
    assert "nothing to search for" in dock.ask.words.remark.text()
    dock.ask.words.line.setText("stage")
    assert not dock.ask.words.remark.isVisibleTo(dock)


def test_the_question_comes_back_with_the_session(qtbot, dock):
    answered(qtbot, dock, select(dock))
    dock.ask.target.buttons["mIF patches"].click()
    dock.ask.chips.set_filter("stage", "IV")
    dock.asking.count.setCurrentIndex(0)
    dock.overlay.setChecked(False)
    state = dock.session_state()
    dock.ask.target.buttons["H&E patches"].click()
    dock.ask.chips.remove_last()
    dock.asking.count.setCurrentIndex(2)
    dock.restore_session(state)
    qtbot.waitUntil(lambda: not dock.is_running(), timeout=PATIENCE_MS)
    question = dock.found.question
    assert (question.target, question.filters, question.k) == ("mif", {"stage": "IV"}, 20)
    assert not dock.overlay.isChecked()


def test_what_was_pointed_at_before_is_asked_of_the_atlas_that_comes(qtbot, dock):
    atlas, dock.workspace.atlas = dock.workspace.atlas, None
    dock.workspace.selection = 40
    assert dock.found is None
    found = answered(qtbot, dock, lambda: setattr(dock.workspace, "atlas", atlas))
    assert found.question.patch == 40
    assert not dock.prompt.isVisible()
