"""WordPiece tokens with a made-up vocabulary."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from published_bundle import WORDS
from transformers import BertTokenizer

from napari_haiku.model.published.bundle import Bundle
from napari_haiku.model.published.tokenizing import read_tokenizer, token_ids, unknown_words


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return folder


@pytest.mark.parametrize(
    "text", ["Lung TISSUE, stages: q", "", "  lung  ", "élan", "staged.", "##s", "lung" * 60]
)
def test_tokens_are_berts(text: str, folder: Path) -> None:
    ours, mask = token_ids(read_tokenizer(Bundle(folder), len(WORDS)), [text, "a"], 20)
    bert = BertTokenizer.from_pretrained(folder)
    theirs = bert([text.strip(), "a"], max_length=20, padding="max_length", truncation=True)
    width = ours.shape[1]
    assert [row[:width] for row in theirs["input_ids"]] == ours.tolist()
    assert [row[:width] for row in theirs["attention_mask"]] == mask.tolist()
    assert not any(any(row[width:]) for row in theirs["attention_mask"])


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4), st.integers(3, 12))
def test_tokens_are_enclosed_cut_and_padded(texts: list[str], length: int) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as name:
        (Path(name) / "vocab.txt").write_text("\n".join(WORDS))
        tokenizer = read_tokenizer(Bundle(Path(name)), len(WORDS))
    ids, mask = token_ids(tokenizer, texts, length)
    assert ids.shape == mask.shape
    assert ids.shape[1] <= length
    for row, seen in zip(ids.tolist(), mask.tolist(), strict=True):
        kept = row[: sum(seen)]
        assert kept[0] == WORDS.index("[CLS]")
        assert kept[-1] == WORDS.index("[SEP]")
        assert set(row[sum(seen) :]) <= {WORDS.index("[PAD]")}


def test_unknown_words_are_named_once(folder: Path) -> None:
    tokenizer = read_tokenizer(Bundle(folder), len(WORDS))
    assert unknown_words(tokenizer, "lung xyz 7 tissue xyz") == ("xyz", "7")
