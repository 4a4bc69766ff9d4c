"""Words: learnt, looked up, owned to."""

from __future__ import annotations

from napari_haiku.model.compact.words import learn_words, unknown_words

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


def test_the_same_captions_give_the_same_file() -> None:
    assert learn_words(CAPTIONS).to_str() == learn_words(reversed(CAPTIONS)).to_str()
