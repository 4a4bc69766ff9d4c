"""What there is to search for in a typed question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.errors import HaikuError
from napari_haiku.model.loading import load_model
from napari_haiku.model.searched_words import FILLERS, checked_words, searched_words


def test_unknown_words_are_left_out():
    assert searched_words("stage IV desmoplasia", ("desmoplasia",)) == ("stage", "IV")


def test_fillers_stay_beside_a_word_that_says_something():
    assert searched_words("cancer of the colon", ()) == ("cancer", "of", "the", "colon")


@given(st.lists(st.sampled_from(sorted(FILLERS)), max_size=6))
def test_fillers_alone_ask_nothing(words):
    assert searched_words(" ".join([*words, "zebra"]), ("zebra",)) == ()
    with pytest.raises(HaikuError, match="nothing to search for"):
        checked_words(" ".join(words), ())


def test_a_joined_word_is_unknown_where_its_parts_are():
    assert searched_words("tumour-edge", ("tumour", "edge")) == ()
    assert searched_words("CD8 PD-L1", ("l",)) == ("CD8", "PD-L1")


def test_the_shipped_model_refuses_a_question_it_knows_only_the_article_of():
    with pytest.raises(HaikuError, match="that say something of tissue"):
        load_model().encode_words("lymphoid aggregate at the tumour edge")
