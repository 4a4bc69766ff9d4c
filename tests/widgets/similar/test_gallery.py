from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_haiku.viewer.search.hit_cards import HitCard
from napari_haiku.widgets.similar.gallery import Gallery


def card(rank, **changes):
    settings = {
        "rank": rank,
        "row": rank + 100,
        "similarity": 1 - rank / 100,
        "whose": "P07",
        "this_slide": False,
        "position_um": (0.0, 0.0),
        "stands_out": ("CD8",),
        "pictures": {
            "he": np.full((64, 64, 3), 200, np.uint8),
            "mif": np.full((64, 64, 3), 80, np.uint8),
        },
        "record": "stage: II",
    }
    return HitCard(**(settings | changes))


@pytest.fixture
def gallery(qtbot):
    gallery = Gallery()
    qtbot.addWidget(gallery)
    gallery.show_cards([card(rank) for rank in range(1, 21)])
    gallery.show()
    gallery.resize(366, 400)
    gallery.pager.setParent(gallery)
    gallery.pager.show()
    return gallery


def test_nine_at_a_time(qtbot, gallery):
    assert gallery.ranks_in_view == frozenset(range(1, 10))
    assert not gallery.previous.isEnabled()
    gallery.next.click()
    gallery.next.click()
    assert gallery.ranks_in_view == {19, 20}
    assert not gallery.next.isEnabled()
    gallery.previous.click()
    assert gallery.ranks_in_view == frozenset(range(10, 19))


def test_a_click_marks_the_hit_and_tells_its_rank(qtbot, gallery):
    with qtbot.waitSignal(gallery.clicked) as told:
        qtbot.mouseClick(gallery.tiles[3], Qt.MouseButton.LeftButton)
    assert told.args == [4]
    assert gallery.selected == 4


def test_the_keyboard_reaches_every_tile(qtbot, gallery):
    with qtbot.waitSignal(gallery.clicked) as told:
        qtbot.keyClick(gallery.tiles[0], Qt.Key.Key_Return)
    assert told.args == [1]


def test_selecting_turns_to_the_page_and_nonsense_changes_nothing(gallery):
    gallery.select(15)
    assert 15 in gallery.ranks_in_view
    gallery.select(99)
    assert gallery.selected == 15


def test_tiles_say_in_words_what_they_show(gallery):
    assert gallery.tiles[0].accessibleName() == "Hit 1, likeness 0.99, P07"
    assert "stage: II" in gallery.tiles[0].toolTip()


def test_the_picture_is_painted(gallery):
    image = gallery.tiles[0].grab().toImage()
    middle = image.pixelColor(image.width() // 2, 40)
    # A screen of 16 bits rounds colours.
    assert middle.red() == pytest.approx(200, abs=8)
    assert middle.blue() == pytest.approx(200, abs=8)


def test_a_hit_without_a_picture_is_still_shown(gallery):
    gallery.show_cards([card(1, pictures={})])
    assert gallery.tiles[0].isVisible()
    assert not gallery.tiles[1].isVisible()
    gallery.tiles[0].grab()


def reds(tile):
    image = tile.grab().toImage()
    return [image.pixelColor(image.width() * place // 4, 40).red() for place in (1, 3)]


def test_either_picture_or_both_are_shown(gallery):
    assert reds(gallery.tiles[0]) == pytest.approx([200, 200], abs=8)
    gallery.show_pictures(("mif",))
    assert reds(gallery.tiles[0]) == pytest.approx([80, 80], abs=8)
    gallery.show_pictures(("he", "mif"))
    assert reds(gallery.tiles[0]) == pytest.approx([200, 80], abs=8)


def test_a_wide_gallery_has_four_columns_and_keeps_the_hits_in_view(qtbot, gallery):
    gallery.next.click()
    gallery.resize(470, 400)
    assert gallery.page_size == 12
    assert 10 in gallery.ranks_in_view


def test_ranking_anew_keeps_the_page(gallery):
    gallery.next.click()
    gallery.change_cards([card(rank, similarity=0.5) for rank in range(1, 21)])
    assert gallery.ranks_in_view == frozenset(range(10, 19))


def test_not_this_one_by_the_delete_key(qtbot, gallery):
    with qtbot.waitSignal(gallery.refused) as told:
        qtbot.keyClick(gallery.tiles[2], Qt.Key.Key_Delete)
    assert told.args == [3]
