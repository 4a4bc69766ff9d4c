"""Words: learnt, looked up, owned to."""

from __future__ import annotations

from napari_haiku.model.compact.words import learn_words, unknown_words, word_ids

CAPTIONS = ["Colon tissue, stage: II", "Colon tissue, stage: III", "rare word"]


def test_words_seen_twice_are_known() -> None:
    words = learn_words(CAPTIONS)
    assert unknown_words(words, "Colon tissue rare colon desmoplasia desmoplasia") == (
        "rare",
        "desmoplasia",
    )


def test_numbers_are_read_digit_by_digit() -> None:
    words = learn_words(CAPTIONS)
    assert unknown_words(words, "age: 4711") == ("age",)
    assert len(word_ids(words, ["4711"], 10)[0]) == 4


def test_the_same_captions_give_the_same_file() -> None:
    assert learn_words(CAPTIONS).to_str() == learn_words(reversed(CAPTIONS)).to_str()


def test_ids_are_padded_with_zero_and_cut_at_the_length() -> None:
    words = learn_words(CAPTIONS)
    ids = word_ids(words, ["colon", "colon tissue colon tissue colon"], 4)
    assert ids.shape == (2, 4)
    assert (ids[0, 1:] == 0).all()
    assert (ids[1] > 1).all()


def test_an_empty_caption_still_has_a_word() -> None:
    assert word_ids(learn_words(CAPTIONS), [""], 5).tolist() == [[1]]
