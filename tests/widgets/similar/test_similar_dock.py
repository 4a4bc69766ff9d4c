from __future__ import annotations

import pytest

from napari_haiku.atlas.build import build_atlas
from napari_haiku.jobs import run_job
from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.widgets.similar.similar_dock import SimilarDock

PATIENCE_MS = 60_000


@pytest.fixture
def dock(open_dock, workspace):
    return open_dock(SimilarDock)


def answered(qtbot, dock, change):
    """Change something and wait for the next answer."""
    before = dock.found
    change()
    qtbot.waitUntil(lambda: dock.found is not before, timeout=PATIENCE_MS)
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
    qtbot.waitUntil(lambda: set(dock.weights.weights()) == {"he", "mif", "text"})
    first = answered(qtbot, dock, select(dock))
    second = answered(qtbot, dock, lambda: dock.weights.slider("mif").setValue(20))
    assert second.question.weights["mif"] == 1.0
    assert [c.similarity for c in first.cards] != [c.similarity for c in second.cards]


def test_a_filter_chip_narrows_and_its_removal_widens(qtbot, dock):
    answered(qtbot, dock, select(dock))
    found = answered(qtbot, dock, lambda: dock.chips.set_filter("stage", "IV"))
    assert all("stage: IV" in card.record for card in found.cards)
    found = answered(qtbot, dock, dock.chips.remove_last)
    assert found.question.filters == {}


def test_the_overlay_can_be_put_away_and_taken_out(qtbot, dock):
    answered(qtbot, dock, select(dock))
    dock.overlay.setChecked(False)
    assert not layer_in_slot(dock.viewer, "similarity").visible
    dock.overlay.setChecked(True)
    assert layer_in_slot(dock.viewer, "similarity").visible


def test_words_are_searched_and_an_empty_line_is_not(qtbot, dock):
    dock.look_for.buttons["Text"].click()
    dock.search()
    assert not dock.is_running("search")
    dock.typed.setText("stage: IV")
    found = answered(qtbot, dock, dock.search)
    assert found.question.patch is None
    assert found.question.words is not None


def test_only_unknown_words_are_refused(qtbot, dock, stores, monkeypatch):
    monkeypatch.setattr(type(stores.model), "unknown_words", lambda _self, text: (text,))
    dock.look_for.buttons["Text"].click()
    dock.typed.setText("desmoplasia")
    dock.search()
    qtbot.waitUntil(lambda: dock.strip.state == "failed", timeout=PATIENCE_MS)
    assert "never read any of these words" in dock.strip.text


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
