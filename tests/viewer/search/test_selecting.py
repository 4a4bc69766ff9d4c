from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from slides_in_memory import patch_grid

from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.search.selecting import follow_clicks, select_at
from napari_haiku.viewer.workspace import workspace_of


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    grid = patch_grid()
    workspace_of(viewer).encoding = SimpleNamespace(
        grid=grid, centres_um=grid.centres_um, patch_um=grid.patch_um
    )
    return viewer


def press(viewer, y, x, *, button=1, modifiers=(), moves=()):
    """Press, move and release as the canvas reports it."""
    event = SimpleNamespace(
        type="mouse_press",
        button=button,
        modifiers=modifiers,
        pos=np.array([10.0, 10.0]),
        position=(y, x),
    )
    running = [
        step
        for callback in list(viewer.mouse_drag_callbacks)
        if (step := callback(viewer, event)) is not None
    ]
    for step in running:
        next(step, None)
    for move in moves:
        event.type, event.pos = "mouse_move", np.array(move)
        for step in running:
            next(step, None)
    event.type = "mouse_release"
    for step in running:
        next(step, None)


def test_a_click_selects_the_patch_and_rings_it_at_once(viewer):
    leave = follow_clicks(viewer)
    press(viewer, 150.0, 250.0)
    workspace = workspace_of(viewer)
    centres = workspace.encoding.centres_um
    assert tuple(centres[workspace.selection]) == (250.0, 150.0)
    ring = layer_in_slot(viewer, "query")
    np.testing.assert_allclose(ring.data, [[150.0, 250.0]] * 2)
    assert [str(unit) for unit in ring.units] == ["micrometer", "micrometer"]
    press(viewer, 250.0, 50.0)
    assert layer_in_slot(viewer, "query") is ring
    np.testing.assert_allclose(ring.data, [[250.0, 50.0]] * 2)
    leave()


def test_a_trembling_hand_still_clicks_but_a_drag_does_not(viewer):
    leave = follow_clicks(viewer)
    press(viewer, 150.0, 250.0, moves=[(60.0, 10.0)])
    assert workspace_of(viewer).selection is None
    press(viewer, 150.0, 250.0, moves=[(12.0, 11.0)])
    assert workspace_of(viewer).selection is not None
    leave()


@pytest.mark.parametrize("how", [{"button": 2}, {"modifiers": ("Shift",)}])
def test_other_buttons_and_modifiers_are_left_to_napari(viewer, how):
    leave = follow_clicks(viewer)
    press(viewer, 150.0, 250.0, **how)
    assert workspace_of(viewer).selection is None
    leave()


def test_painting_and_drawing_select_nothing(viewer):
    leave = follow_clicks(viewer)
    viewer.add_shapes().mode = "add_rectangle"
    press(viewer, 150.0, 250.0)
    assert workspace_of(viewer).selection is None
    leave()


def test_a_click_on_glass_says_how_far_tissue_is(viewer):
    heard = []
    workspace_of(viewer).events.glass.connect(heard.append)
    assert select_at(workspace_of(viewer), x_um=60.0, y_um=20.0) is None
    assert heard == [pytest.approx(40.0)]
    assert workspace_of(viewer).selection is None


def test_without_an_encoding_a_click_means_nothing():
    viewer = ViewerModel()
    assert select_at(workspace_of(viewer), x_um=1.0, y_um=1.0) is None


def test_several_docks_listen_once_and_the_last_one_ends_it(viewer):
    napari_own = len(viewer.mouse_drag_callbacks)
    first, second = follow_clicks(viewer), follow_clicks(viewer)
    assert len(viewer.mouse_drag_callbacks) == napari_own + 1
    first()
    first()
    assert len(viewer.mouse_drag_callbacks) == napari_own + 1
    second()
    assert len(viewer.mouse_drag_callbacks) == napari_own
    workspace_of(viewer).selection = 1
    assert layer_in_slot(viewer, "query") is None


def test_the_ring_goes_with_its_slide(viewer):
    leave = follow_clicks(viewer)
    workspace_of(viewer).selection = 2
    workspace_of(viewer).open_encoding(None)
    assert not layer_in_slot(viewer, "query").visible
    leave()


def test_a_click_on_the_patch_selected_already_asks_again(viewer):
    leave = follow_clicks(viewer)
    told = []
    workspace_of(viewer).events.selection.connect(told.append)
    press(viewer, 150.0, 250.0)
    press(viewer, 150.0, 250.0)
    assert told == [workspace_of(viewer).selection] * 2
    leave()
