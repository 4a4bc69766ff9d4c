from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_haiku.viewer.layers.layer_slots import drop_layer, layer_in_slot, put_layer


@pytest.fixture
def viewer():
    return ViewerModel()


def show(viewer, value=1.0, **options):
    data = np.full((4, 4), value, np.float32)
    return put_layer(viewer, "image", "map", data, name="Map", contrast_limits=(0, 10), **options)


def test_the_second_time_only_the_data_are_swapped(viewer):
    first = show(viewer)
    second = show(viewer, 7.0, scale=(3, 3))
    assert second is first
    assert len(viewer.layers) == 1
    assert second.data[0, 0] == 7
    assert tuple(second.scale) == (3, 3)


def test_a_renamed_layer_is_found_again(viewer):
    layer = show(viewer)
    layer.name = "my favourite"
    assert layer_in_slot(viewer, "map") is layer
    assert show(viewer) is layer


def test_a_deleted_layer_is_made_anew(viewer):
    viewer.layers.remove(show(viewer))
    assert layer_in_slot(viewer, "map") is None
    assert show(viewer) in viewer.layers


def test_colours_in_place_of_values_make_the_layer_anew_in_its_place(viewer):
    show(viewer)
    viewer.add_image(np.zeros((2, 2)), contrast_limits=(0, 1))
    data = np.zeros((4, 4, 4), np.uint8)
    made = put_layer(viewer, "image", "map", data, name="Map", rgb=True)
    assert made.rgb
    assert viewer.layers.index(made) == 0
    assert len(viewer.layers) == 2


def test_a_new_layer_leaves_the_users_layer_active(viewer):
    mine = viewer.add_shapes(name="my drawing")
    show(viewer)
    assert viewer.layers.selection.active is mine


def test_what_the_user_put_into_the_metadata_stays(viewer):
    show(viewer, metadata={"mine": 1}).metadata["more"] = 2
    assert show(viewer).metadata == {"mine": 1, "more": 2, "napari_haiku_slot": "map"}


def test_dropping_what_is_not_there_is_no_error(viewer):
    drop_layer(viewer, "map")
    show(viewer)
    drop_layer(viewer, "map")
    assert len(viewer.layers) == 0


def test_what_is_as_wanted_already_is_not_set_again(viewer):
    options = {"scale": (3, 3), "translate": (1.0, 2.0), "units": ("um", "um"), "opacity": 0.5}
    layer = show(viewer, **options)
    heard = []
    for name in ("name", "scale", "translate", "units", "opacity", "contrast_limits"):
        getattr(layer.events, name).connect(lambda event: heard.append(event.type))
    show(viewer, 2.0, **options)
    assert heard == []
    show(viewer, 2.0, **{**options, "opacity": 0.25, "units": ("mm", "mm")})
    assert sorted(heard) == ["opacity", "units"]
    assert layer.opacity == 0.25
    assert [str(unit) for unit in layer.units] == ["millimeter", "millimeter"]


def test_data_changed_in_place_are_drawn_anew(viewer):
    data = np.zeros((4, 4), np.float32)
    layer = put_layer(viewer, "image", "map", data, name="Map", contrast_limits=(0, 10))
    drawn = []
    layer.events.set_data.connect(lambda _event: drawn.append(True))
    data[0, 0] = 5.0
    put_layer(viewer, "image", "map", data, name="Map", contrast_limits=(0, 10))
    assert drawn
