"""Which words of a typed question there is something to search for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Collection

_WORD = re.compile(r"[\w'-]+")
_PIECE = re.compile(r"[^\W\d_]+|\d+")
# Captions hold them too, so that a model knows them; alone they say nothing of tissue.
FILLERS = frozenset(
    re.split(
        r"\s+",
        "a an the this that these those here there it its and or but not no of at in on to for "
        "from by with without into onto over under near as is are was were be been has have had "
        "which where what who when than then all any some",
    )
)


def searched_words(text: str, unknown: Collection[str]) -> tuple[str, ...]:
    """Pick the words a question is asked with, in order.

    Parameters
    ----------
    text : str
        What was typed.
    unknown : collection of str
        Words that the model has never read; left out.

    Returns
    -------
    tuple of str
        None at all where nothing but fillers (the, of, at, ...) would be left:
        such words find something in every tissue and mean nothing.
    """
    strange = {word.casefold() for word in unknown}
    words = [word for word in _WORD.findall(text) if word.casefold() not in strange]
    kept = [word for word in words if _known(word, strange)]
    if all(word.casefold() in FILLERS for word in kept):
        return ()
    return tuple(kept)


def checked_words(text: str, unknown: Collection[str]) -> tuple[str, ...]:
    """Pick the words a question is asked with; see :func:`searched_words`.

    Raises
    ------
    HaikuError
        There is none.
    """
    kept = searched_words(text, unknown)
    if kept:
        return kept
    if unknown:
        fillers = any(word.casefold() in FILLERS for word in _WORD.findall(text))
        but = " that say something of tissue" if fillers else ""
        raise HaikuError(
            f"The model has never read any of these words{but}: there is nothing to search for. "
            "It knows the words of its captions, such as organs, diseases, stages and grades."
        )
    raise HaikuError(
        "These words say nothing of tissue: there is nothing to search for. Name an organ, a "
        "disease, a stage or a grade."
    )


def _known(word: str, strange: Collection[str]) -> bool:
    # "tumour-edge" is unknown where both of its halves are.
    pieces = [piece.casefold() for piece in _PIECE.findall(word)]
    letters = [piece for piece in pieces if piece.isalpha()]
    return bool(pieces) and not (letters and all(piece in strange for piece in letters))
