from __future__ import annotations

import napari.layers
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.action_manager import action_manager
from napari.utils.key_bindings import coerce_keybinding

from napari_haiku.viewer.layers.layer_slots import SLOT
from napari_haiku.viewer.layers.top_map import dim_slide, fade_top_map, swap_maps, toggle_top_map
from napari_haiku.widgets.frame.cheat_sheet import CheatSheet, show_cheat_sheet, spelled
from napari_haiku.widgets.frame.keys import KEYS, bind_keys
from napari_haiku.widgets.frame.navigation import DOCKS


def napari_keys():
    """Every key napari binds: viewer, all layer types, menus."""
    from napari._app_model import get_app_model
    from napari._qt import _qapp_model  # noqa: F401 - registers the menus
    from napari.settings import get_settings

    found = {}
    for action, keys in get_settings().shortcuts.shortcuts.items():
        for key in keys:
            found[coerce_keybinding(key)] = action
    for kind in ("Image", "Labels", "Points", "Shapes", "Surface", "Tracks", "Vectors", "Layer"):
        for key in getattr(napari.layers, kind, ViewerModel).class_keymap:
            found[coerce_keybinding(key)] = kind
    for key in ViewerModel.class_keymap:
        found[coerce_keybinding(key)] = "Viewer"
    for binding in get_app_model().keybindings:
        found[coerce_keybinding(str(binding.keybinding))] = binding.command_id
    return found


def test_no_key_clashes_with_one_of_naparis_own():
    taken = napari_keys()
    # The list is not empty by mistake: napari's own undo and play keys are there.
    assert coerce_keybinding("Ctrl-Z") in taken
    assert len(taken) > 60
    clashes = {
        key.keys: taken[coerce_keybinding(key.keys)]
        for key in KEYS
        if coerce_keybinding(key.keys) in taken
    }
    assert clashes == {}


def test_no_key_does_two_things():
    assert len({coerce_keybinding(key.keys) for key in KEYS}) == len(KEYS)
    assert action_manager is not None


@pytest.fixture
def viewer():
    return ViewerModel()


def pressed(viewer, keys):
    viewer.keymap[coerce_keybinding(keys)](viewer)


def test_the_last_dock_to_offer_answers_and_the_rest_follow_when_it_goes(viewer):
    said = []

    class Dock:
        def __init__(self, name):
            self.name = name

        def key_actions(self):
            return {"keep": lambda: said.append(self.name)}

    first, second = Dock("first"), Dock("second")
    leave_first, leave_second = bind_keys(viewer, first), bind_keys(viewer, second)
    pressed(viewer, "K")
    leave_second()
    pressed(viewer, "K")
    pressed(viewer, "G")
    assert said == ["second", "first"]
    leave_first()
    assert not viewer.keymap


def test_every_dock_has_a_key_and_the_sheet_lists_them_all(qtbot, viewer):
    assert {key.action for key in KEYS} >= set(DOCKS)
    sheet = show_cheat_sheet(viewer)
    qtbot.addWidget(sheet)
    from qtpy.QtWidgets import QLabel

    words = [label.text() for label in sheet.findChildren(QLabel)]
    for key in KEYS:
        assert spelled(key.keys) in words
        assert key.words in words
    assert isinstance(sheet, CheatSheet)


def test_keys_are_spelled_as_people_do():
    assert [spelled(k) for k in ("Shift-N", ",", "Alt-1")] == ["Shift+N", ",", "Alt+1"]


def test_the_top_map_is_put_away_faded_and_the_slide_dimmed(viewer):
    slide = viewer.add_image(np.zeros((4, 4, 3), np.uint8), rgb=True)
    lower = viewer.add_image(np.zeros((4, 4)), metadata={SLOT: "similarity"})
    upper = viewer.add_labels(np.zeros((4, 4), np.uint8), metadata={SLOT: "niches"})
    toggle_top_map(viewer)
    assert (lower.visible, upper.visible) == (True, False)
    toggle_top_map(viewer)
    assert (lower.visible, upper.visible) == (True, True)
    viewer.layers.remove(upper)
    toggle_top_map(viewer)
    assert not lower.visible
    toggle_top_map(viewer)
    lower.opacity = 0.5
    fade_top_map(viewer, 0.1)
    assert lower.opacity == pytest.approx(0.6)
    for _ in range(9):
        fade_top_map(viewer, -0.1)
    assert lower.opacity == 0
    dim_slide(viewer)
    assert slide.opacity == pytest.approx(0.6)
    dim_slide(viewer)
    assert slide.opacity == 1


def test_measured_takes_the_place_of_predicted_and_back(viewer):
    predicted = viewer.add_image(np.zeros((4, 4)), metadata={SLOT: "marker predicted"})
    measured = viewer.add_image(np.zeros((4, 4)), metadata={SLOT: "marker measured"}, visible=False)
    swap_maps(viewer)
    assert (predicted.visible, measured.visible) == (False, True)
    swap_maps(viewer)
    assert (predicted.visible, measured.visible) == (True, False)
    # Side by side both stay.
    measured.visible = True
    swap_maps(viewer)
    assert predicted.visible
    assert measured.visible
