"""The same record in other words: how much of a shift hangs on the wording."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.clinical import CAPTION_TEMPLATES, caption

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ORDERS = 5
NEUTRAL_WORDS = (
    "The picture was opened today.",
    "The file has a name.",
    "This sentence says nothing.",
    "The page is in English.",
    "The screen is on.",
    "The text ends here.",
)


def wordings(
    before: Mapping[str, str], after: Mapping[str, str], *, seed: int, orders: int = ORDERS
) -> list[tuple[str, str]]:
    """Word two records alike in several ways.

    Parameters
    ----------
    before, after : mapping
        The record as it reads and as edited, with the same fields.
    seed : int
        Seed of the field orders.
    orders : int
        Orders of the fields drawn.

    Returns
    -------
    list of (str, str)
        Both captions; the first pair is the wording that is compared, then the
        other opening sentences, then other orders of the fields. No pair comes
        twice.
    """
    pairs = [
        (caption(before, template=template), caption(after, template=template))
        for template in range(len(CAPTION_TEMPLATES))
    ]
    fields = list(before)
    rng = np.random.default_rng(seed)
    for _ in range(orders):
        order = [fields[place] for place in rng.permutation(len(fields))]
        pairs.append(
            (
                caption({field: before[field] for field in order}),
                caption({field: after[field] for field in order}),
            )
        )
    return list(dict.fromkeys(pairs))


def wording_placebos(record: Mapping[str, str], *, seed: int) -> list[tuple[str, str]]:
    """Edits that change the words of a record and nothing that it says.

    Parameters
    ----------
    record : mapping
        The record as it reads.
    seed : int
        Seed of the field orders.

    Returns
    -------
    list of (str, str)
        Captions before and after: another opening sentence, another order of
        the fields, a sentence without meaning at the end.
    """
    worded = [pair[0] for pair in wordings(record, record, seed=seed, orders=4 * ORDERS)]
    return [(worded[0], other) for other in worded[1:]] + [
        (words, f"{words} {sentence}")
        for words, sentence in zip(_cycle(worded, NEUTRAL_WORDS), NEUTRAL_WORDS, strict=True)
    ]


def _cycle(worded: Sequence[str], sentences: Sequence[str]) -> list[str]:
    return [worded[place % len(worded)] for place in range(len(sentences))]
