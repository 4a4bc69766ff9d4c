from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.search.region_drawing import REGION, RegionDrawing, hide_region


def drag(drawing, viewer, places, button=1, modifiers=()):
    """Press, move along some places (pixels are um) and release."""
    event = SimpleNamespace(
        button=button,
        modifiers=modifiers,
        type="mouse_press",
        pos=np.array(places[0], float),
        position=places[0][::-1],
    )
    going = drawing.on_press(viewer, event)
    for place in places:
        event.pos, event.position = np.array(place, float), place[::-1]
        if next(going, "over") == "over":
            return
        event.type = "mouse_move"
    event.type = "mouse_release"
    next(going, None)


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def drawn(viewer):
    found = []
    drawing = RegionDrawing(viewer, found.append)
    return drawing, found


def test_a_box_has_four_corners(viewer, drawn):
    drawing, found = drawn
    drawing.take("box")
    drag(drawing, viewer, [(10, 20), (30, 40), (60, 50)])
    np.testing.assert_array_equal(found[0], [[10, 20], [60, 20], [60, 50], [10, 50]])
    shown = layer_in_slot(viewer, REGION).data[0]
    np.testing.assert_array_equal(shown[0], [20, 10])
    np.testing.assert_array_equal(shown[0], shown[-1])


def test_a_lasso_follows_the_pointer_and_a_second_replaces_the_first(viewer, drawn):
    drawing, found = drawn
    drawing.take("lasso")
    drag(drawing, viewer, [(0, 0), (20, 0), (20, 20), (0, 20)])
    drag(drawing, viewer, [(0, 0), (50, 0), (50, 50)])
    assert [len(outline) for outline in found] == [4, 3]
    assert len(layer_in_slot(viewer, REGION).data) == 1
    hide_region(viewer)
    assert layer_in_slot(viewer, REGION) is None


@pytest.mark.parametrize(
    ("places", "button", "modifiers"),
    [
        ([(0, 0), (1, 1)], 1, ()),
        ([(0, 0), (50, 50)], 2, ()),
        ([(0, 0), (50, 50)], 1, ("Shift",)),
        ([(0, 0), (50, 0)], 1, ()),
    ],
)
def test_clicks_other_buttons_and_flat_boxes_draw_nothing(viewer, drawn, places, button, modifiers):
    drawing, found = drawn
    drawing.take("box")
    drag(drawing, viewer, places, button, modifiers)
    assert found == []


def test_painting_is_left_alone(viewer, drawn):
    drawing, found = drawn
    drawing.take("box")
    viewer.add_labels(np.zeros((4, 4), np.uint8)).mode = "paint"
    drag(drawing, viewer, [(0, 0), (50, 50)])
    assert found == []


def test_drags_pan_unless_something_is_to_be_drawn(viewer, drawn):
    drawing, _ = drawn
    before = list(viewer.mouse_drag_callbacks)
    drawing.take("box")
    drawing.take("lasso")
    assert not viewer.scene.camera.mouse_pan
    assert len(viewer.mouse_drag_callbacks) == len(before) + 1
    drawing.take(None)
    assert viewer.scene.camera.mouse_pan
    assert list(viewer.mouse_drag_callbacks) == before
