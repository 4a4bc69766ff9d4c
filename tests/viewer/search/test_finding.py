from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.viewer.search.finding import find, rank_anew, with_all_pictures
from napari_haiku.viewer.search.question import Question, place_of, vectors_of, where_of


@pytest.fixture(scope="module")
def opened(stores):
    return stores.open_encoding(), stores.open_atlas()


def question(opened, **changes):
    encoding, atlas = opened
    settings = {
        "encoding": encoding,
        "atlas": atlas,
        "patch": 40,
        "words": None,
        "target": "he",
        "weights": {"he": 1.0},
        "k": 12,
    }
    return Question(**(settings | changes))


def test_hits_are_ranked_and_come_from_other_patients(opened):
    found = find(question(opened))
    assert [card.rank for card in found.cards] == list(range(1, 13))
    similar = [card.similarity for card in found.cards]
    assert similar == sorted(similar, reverse=True)
    assert not any(card.this_slide for card in found.cards)
    assert found.same_patient == ()
    assert 1 <= found.patients <= 11


def test_hits_look_like_what_was_asked(opened, stores):
    """The hits' PanCK, which follows the pattern, is close to the ringed patch's own."""
    encoding, atlas = opened
    found = find(question(opened, k=5))
    column = list(atlas.markers).index("PanCK")
    theirs = atlas.expression[[card.row for card in found.cards], column]
    own = encoding.expression[40, list(encoding.markers).index("PanCK")]
    everyone = np.asarray(atlas.expression[:, column])
    assert np.abs(theirs - own).mean() < 0.3 * np.abs(everyone - own).mean()


def test_likeness_is_told_for_every_patch_and_highest_at_the_ringed_one(opened):
    encoding, _ = opened
    found = find(question(opened))
    assert found.likeness.shape == (len(encoding.grid),)
    assert found.likeness[40] == pytest.approx(1.0, abs=1e-5)
    assert found.likeness.max() <= 1.0 + 1e-5


def test_no_identifying_word_is_on_the_cards(opened):
    for card in find(question(opened)).cards:
        assert "patient" not in card.whose
        assert "patient" not in card.record
        assert {name: one.shape for name, one in card.pictures.items()} == {
            "he": (64, 64, 3),
            "mif": (64, 64, 3),
        }


def test_what_stands_out_is_high_there(opened):
    _, atlas = opened
    found = find(question(opened, patch=0, k=30))
    for card in found.cards:
        for marker in card.stands_out:
            column = list(atlas.markers).index(marker)
            assert atlas.expression[card.row, column] > np.nanmean(atlas.expression[:, column])


def test_filters_keep_only_what_fits(opened):
    _, atlas = opened
    found = find(question(opened, filters={"stage": "IV", "grade": "low"}))
    assert {atlas.record_of(card.row)["stage"] for card in found.cards} == {"IV"}


def test_a_filter_that_nobody_fits_says_so(opened):
    with pytest.raises(HaikuError, match="fits the filter"):
        find(question(opened, filters={"stage": "IX"}))


def test_odd_fields_and_values_survive_the_filter_language(opened):
    from napari_haiku.atlas.where import Comparison, parse_where

    assert where_of({}) is None
    parsed = parse_where(where_of({'odd "field"': "it's"}))
    assert parsed == Comparison('odd "field"', "=", ("it's",))


def test_parts_that_are_not_at_hand_are_left_out(opened):
    alone = find(question(opened))
    mixed = find(question(opened, weights={"he": 1.0, "words": 3.0}))
    assert [card.row for card in alone.cards] == [card.row for card in mixed.cards]


def test_a_question_whose_parts_all_count_nothing_is_refused(opened):
    with pytest.raises(HaikuError, match="counts 0"):
        find(question(opened, weights={"he": 0.0}))


def test_without_shares_the_usual_ones_count(opened):
    usual = find(question(opened, weights={"he": 0.8, "text": 0.2}))
    assert [c.row for c in find(question(opened, weights={})).cards] == [c.row for c in usual.cards]


def test_words_stand_in_for_the_record(opened, stores):
    words = stores.model.encode_text(["stage: IV"])[0]
    found = find(question(opened, patch=None, words=words, weights={"text": 1.0}, target="text"))
    assert {opened[1].record_of(card.row)["stage"] for card in found.cards} == {"IV"}


def test_an_atlas_of_another_model_is_refused(opened):
    encoding, _ = opened
    other = replace(question(opened))

    class Foreign:
        model_fingerprint = "another"

        def __getattr__(self, name):
            return getattr(encoding, name)

    with pytest.raises(HaikuError, match="another model"):
        find(replace(other, encoding=Foreign()))


def test_vectors_are_read_once(opened):
    encoding, _ = opened
    assert vectors_of(encoding, "he") is vectors_of(encoding, "he")


def test_a_region_asks_with_the_mean_of_its_patches(opened):
    encoding, _ = opened
    alone = find(question(opened))
    same = find(question(opened, patch=None, region=(40,)))
    assert [c.row for c in same.cards] == [c.row for c in alone.cards]
    pair = find(question(opened, patch=None, region=(40, 41)))
    vectors = vectors_of(encoding, "he")[[40, 41]]
    mean = vectors.mean(axis=0) / np.linalg.norm(vectors.mean(axis=0))
    np.testing.assert_allclose(pair.likeness, vectors_of(encoding, "he") @ mean, atol=1e-5)


def test_every_patch_of_a_region_keeps_the_gap(opened):
    encoding, _ = opened
    middle, reach = place_of(question(opened, patch=None, region=(40, 42)))
    np.testing.assert_allclose(middle[0], encoding.centres_um[[40, 42]].mean(axis=0))
    ends = np.hypot(*(encoding.centres_um[[40, 42]] - middle).T)
    assert reach == pytest.approx(ends.max())


def test_what_was_refused_does_not_come_again_and_others_move_up(opened):
    first = find(question(opened))
    refused = frozenset({first.cards[0].row, first.cards[3].row})
    second = find(question(opened, refused=refused))
    kept = [card.row for card in first.cards if card.row not in refused]
    assert [card.row for card in second.cards][: len(kept)] == kept
    assert len(second.cards) == len(first.cards)
    assert [card.rank for card in second.cards] == list(range(1, 13))


@pytest.mark.parametrize("target", ["he", "mif", "text"])
def test_ranking_anew_agrees_with_a_search_among_the_same_hits(opened, target):
    _, atlas = opened
    everything = find(question(opened, target=target, k=len(atlas)))
    weights = {"he": 0.3, "mif": 0.7}
    anew = rank_anew(everything, weights)
    full = find(question(opened, target=target, k=len(atlas), weights=weights))
    np.testing.assert_allclose(
        [card.similarity for card in anew.cards],
        [card.similarity for card in full.cards],
        atol=1e-3,
    )
    np.testing.assert_allclose(anew.likeness, full.likeness, atol=1e-6)
    assert [card.rank for card in anew.cards] == list(range(1, len(atlas) + 1))


def test_pictures_beyond_the_first_page_come_later(opened):
    found = find(question(opened, k=20))
    assert [bool(card.pictures) for card in found.cards] == [True] * 12 + [False] * 8
    assert all(card.pictures for card in with_all_pictures(found).cards)
