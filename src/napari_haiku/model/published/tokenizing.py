"""Captions to token ids with the published WordPiece vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from napari_haiku.errors import HaikuError
from napari_haiku.model.published.bundle import LARGEST_TOKENIZER, Bundle

if TYPE_CHECKING:
    from collections.abc import Sequence

PAD, UNKNOWN, START, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
LONGEST_CAPTION = 100_000


def read_tokenizer(bundle: Bundle, vocab_size: int) -> Tokenizer:
    """Read a bundle's tokenizer.

    Parameters
    ----------
    bundle : Bundle
        Holds ``tokenizer.json`` or ``vocab.txt``, at the top or in ``tokenizer/``.
    vocab_size : int
        Rows of the text tower's word table.

    Raises
    ------
    HaikuError
        There is none, it is damaged, or it does not fit the text tower.
    """
    path = bundle.need(
        "tokenizer/tokenizer.json",
        "tokenizer.json",
        "tokenizer/vocab.txt",
        "vocab.txt",
        largest=LARGEST_TOKENIZER,
        what="tokenizer",
    )
    tokenizer = _from_vocabulary(path) if path.suffix == ".txt" else _from_json(path)
    missing = [
        token for token in (PAD, UNKNOWN, START, END) if tokenizer.token_to_id(token) is None
    ]
    if missing:
        raise HaikuError(
            f"{path.name} lacks the token {missing[0]}: copy the tokenizer of the bundle again."
        )
    largest = max(tokenizer.get_vocab().values())
    if largest >= vocab_size:
        raise HaikuError(
            f"{path.name} knows {largest + 1} words but the text tower only {vocab_size}: "
            "use the tokenizer of the same bundle."
        )
    _add_ends(tokenizer)
    return tokenizer


def token_ids(
    tokenizer: Tokenizer, captions: Sequence[str], length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokenise captions.

    Parameters
    ----------
    tokenizer : Tokenizer
        From :func:`read_tokenizer`.
    captions : sequence of str
        Texts; blanks around them are dropped.
    length : int
        Most tokens; longer captions are cut, [SEP] kept.

    Returns
    -------
    ids, mask : Tensor of int64, shape (n, longest)
        Padded to the longest caption of the batch; what padding the published
        code adds beyond that is masked and changes nothing.
    """
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(PAD), pad_token=PAD)
    encoded = tokenizer.encode_batch([text.strip()[:LONGEST_CAPTION] for text in captions])
    ids = torch.tensor([row.ids for row in encoded], dtype=torch.long)
    mask = torch.tensor([row.attention_mask for row in encoded], dtype=torch.long)
    return ids, mask


def unknown_words(tokenizer: Tokenizer, text: str) -> tuple[str, ...]:
    """Words of `text` that the tokenizer can only read as unknown, each once."""
    tokenizer.no_truncation()
    encoded = tokenizer.encode(text)
    unknown = tokenizer.token_to_id(UNKNOWN)
    words = [
        text[start:stop]
        for number, (start, stop) in zip(encoded.ids, encoded.offsets, strict=True)
        if number == unknown
    ]
    return tuple(dict.fromkeys(words))


def _from_json(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:
        raise HaikuError(
            f"{path.name} is no tokenizer or is damaged: copy the tokenizer again."
        ) from error


def _from_vocabulary(path: Path) -> Tokenizer:
    """BERT's uncased WordPiece rules over a list of words, one a line."""
    try:
        words = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise HaikuError(f"{path.name} is no UTF-8 text: copy the tokenizer again.") from error
    vocabulary = {word.rstrip("\r"): number for number, word in enumerate(words)}
    if UNKNOWN not in vocabulary:
        raise HaikuError(
            f"{path.name} lacks the token {UNKNOWN}: copy the tokenizer of the bundle again."
        )
    tokenizer = Tokenizer(
        models.WordPiece(vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=100)
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    present = [token for token in (PAD, UNKNOWN, START, END, "[MASK]") if token in vocabulary]
    tokenizer.add_special_tokens(present)
    return tokenizer


def _add_ends(tokenizer: Tokenizer) -> None:
    """Make sure that [CLS] and [SEP] enclose every caption, as in training."""
    start, end = (int(tokenizer.token_to_id(token) or 0) for token in (START, END))
    if tokenizer.encode("").ids != [start, end]:
        tokenizer.post_processor = processors.BertProcessing((END, end), (START, start))
