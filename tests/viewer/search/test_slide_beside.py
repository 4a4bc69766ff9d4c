from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.search.slide_beside import hide_beside, picture_of_slide, show_beside


def test_the_picture_shows_each_patch_where_it_lies(stores):
    atlas = stores.open_atlas()
    row = 10
    picture = picture_of_slide(atlas, row)
    rows = np.flatnonzero(atlas.slide_index == atlas.slide_index[row])
    side = round(atlas.patch_um / picture.pixel_um)
    for patch in rows[:: max(1, len(rows) // 6)]:
        x, y = (atlas.positions_um[patch] - picture.corner_um) / picture.pixel_um
        shown = picture.pixels[
            int(y) - side // 2 : int(y) + side // 2, int(x) - side // 2 : int(x) + side // 2
        ]
        small = atlas.thumbnail(int(patch), "he")
        assert np.abs(shown.mean(axis=(0, 1)) - small.mean(axis=(0, 1))).max() < 3
    assert picture.name == atlas.pseudonym_of(row)


def test_the_hit_lies_where_the_query_does_and_goes_without_a_trace(viewer, stores):
    atlas = stores.open_atlas()
    viewer.add_image(np.zeros((50, 50, 3), np.uint8), name="slide", rgb=True)
    viewer.add_points([[0.0, 0.0]], name="query")
    picture = picture_of_slide(atlas, 10)
    show_beside(viewer, picture, (650.0, 450.0), atlas.patch_um)
    layer = layer_in_slot(viewer, "slide beside")
    # The pixel at the hit's place in its own frame is drawn at the query's place in this one.
    own = (np.array(picture.hit_um) - picture.corner_um) / picture.pixel_um - 0.5
    np.testing.assert_allclose(layer.data_to_world(own[::-1]), [450.0, 650.0])
    assert viewer.canvas.grid.enabled
    # The right view is the two uppermost layers, also when others come.
    assert viewer.canvas.grid.stride == 2
    viewer.add_points([[0.0, 0.0]], name="late").visible = False
    assert viewer.layers[-1].name == f"Hit in {picture.name}"
    assert viewer.canvas.grid.stride == 3
    viewer.layers.remove("late")
    assert [x.name for x in viewer.layers] == [
        "slide",
        "query",
        layer.name,
        layer_in_slot(viewer, "hit beside").name,
    ]
    assert hide_beside(viewer)
    assert [x.name for x in viewer.layers] == ["slide", "query"]
    assert not viewer.canvas.grid.enabled
    assert not hide_beside(viewer)


def test_a_second_slide_takes_the_place_of_the_first(viewer, stores):
    atlas = stores.open_atlas()
    show_beside(viewer, picture_of_slide(atlas, 10), (0.0, 0.0), atlas.patch_um)
    last = picture_of_slide(atlas, len(atlas) - 1)
    show_beside(viewer, last, (5.0, 5.0), atlas.patch_um)
    assert [x.name for x in viewer.layers] == [f"{last.name} beside", f"Hit in {last.name}"]
    np.testing.assert_array_equal(layer_in_slot(viewer, "hit beside").data, [[5.0, 5.0]] * 2)


@pytest.fixture
def viewer():
    from napari.components import ViewerModel

    return ViewerModel()
