"""The words that the compact text tower has read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

if TYPE_CHECKING:
    from collections.abc import Iterable

PADDING, UNKNOWN = "[PAD]", "[UNK]"


def learn_words(captions: Iterable[str], *, at_least: int = 2) -> Tokenizer:
    """Make a tokenizer from the captions of a training cohort.

    Numbers are read digit by digit, so that a number never seen is not an
    unknown word. The order of the words is fixed by the alphabet, so that the
    same captions give the same file.

    Parameters
    ----------
    captions : iterable of str
    at_least : int
        How often a word must occur to be learnt.
    """
    tokenizer = _bare({PADDING: 0, UNKNOWN: 1})
    counts: dict[str, int] = {}
    for caption in captions:
        for word in split_words(tokenizer, caption):
            counts[word] = counts.get(word, 0) + 1
    learnt = sorted(
        {word for word, count in counts.items() if count >= at_least} | set("0123456789")
    )
    return _bare({word: i for i, word in enumerate([PADDING, UNKNOWN, *learnt])})


def split_words(tokenizer: Tokenizer, text: str) -> list[str]:
    """Split text into the words the tokenizer looks up."""
    return [
        word
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(
            tokenizer.normalizer.normalize_str(text)
        )
    ]


def unknown_words(tokenizer: Tokenizer, text: str) -> tuple[str, ...]:
    """Words of `text` that are not in the vocabulary, each once, in order."""
    known = tokenizer.get_vocab()
    missing = (word for word in split_words(tokenizer, text) if word not in known)
    return tuple(dict.fromkeys(word for word in missing if any(c.isalnum() for c in word)))


def _bare(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.StripAccents()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Whitespace(),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.Digits(individual_digits=True),
        ]
    )
    return tokenizer
