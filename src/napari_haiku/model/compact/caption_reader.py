"""Captions turned into features: words, word pairs and numbers beside their word."""

from __future__ import annotations

import bisect
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

# A word's numbers are read as their place between so many quantiles of them at most.
_PLACES = 11
_NUMBER = " #"
_CLAUSE = re.compile(r"[,;:.](?=\s|$)")
_TOKEN = re.compile(r"[^\W_]+(?:\.\d+)?")
_PART = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?")


class CaptionReader:
    """Reads captions into a fixed list of features.

    Nothing of it is learnt but the list: what a feature means is the business
    of the text head alone, so that a head refitted on other patients shares
    nothing with the first that depended on how patients fare.

    Parameters
    ----------
    features : sequence of str
        Known features: ``"word"``, ``"word word"`` (neighbours in a clause) and
        ``"word #28"`` (a number right after the word; a number between two
        known ones is shared out, one beyond them counts as the outermost).
    """

    def __init__(self, features: Sequence[str]) -> None:
        self.features = tuple(features)
        self._column = {feature: i for i, feature in enumerate(self.features)}
        places: dict[str, list[tuple[float, int]]] = {}
        for feature, column in self._column.items():
            word, mark, number = feature.rpartition(_NUMBER)
            if mark:
                places.setdefault(word, []).append((float(number), column))
        self._places = {word: sorted(found) for word, found in places.items()}

    def read(self, captions: Sequence[str]) -> NDArray[np.float32]:
        """Features of captions, shape (n, features), each from 0 to 1."""
        out = np.zeros((len(captions), len(self.features)), np.float32)
        for row, caption in zip(out, captions, strict=True):
            words, numbers = split_caption(caption)
            for word in words:
                column = self._column.get(word)
                if column is not None:
                    row[column] = 1.0
            for word, value in numbers:
                for column, share in self._shared_out(word, value):
                    row[column] = max(row[column], share)
        return out

    def _shared_out(self, word: str, value: float) -> list[tuple[int, float]]:
        places = self._places.get(word, [])
        above = bisect.bisect_left(places, (value, -1))
        if not places or above == len(places):
            return [(places[-1][1], 1.0)] if places else []
        if above == 0:
            return [(places[0][1], 1.0)]
        (low, left), (high, right) = places[above - 1], places[above]
        share = (value - low) / (high - low)
        return [(left, 1 - share), (right, share)]


def learn_features(captions: Iterable[str], *, at_least: int = 2) -> tuple[str, ...]:
    """List the features that occur in at least so many captions, by the alphabet."""
    counts: Counter[str] = Counter()
    numbers: dict[str, list[float]] = {}
    for caption in captions:
        words, found = split_caption(caption)
        counts.update(words)
        for word, value in found:
            numbers.setdefault(word, []).append(value)
    features = [word for word, count in counts.items() if count >= at_least]
    for word, values in numbers.items():
        if len(values) >= at_least:
            places = np.quantile(values, np.linspace(0, 1, _PLACES), method="nearest")
            features += [f"{word}{_NUMBER}{place:g}" for place in np.unique(places)]
    return tuple(sorted(features))


def split_caption(caption: str) -> tuple[set[str], list[tuple[str, float]]]:
    """Find the words and word pairs of a caption, and its numbers with their word.

    A colon does not part a field from its value: "stage: IV, grade: G2" has
    the pairs "stage iv" and "grade g2", and the number 2 after "g".
    """
    text = unicodedata.normalize("NFKC", caption).casefold()
    words: set[str] = set()
    numbers: list[tuple[str, float]] = []
    for clause in _CLAUSE.split(text.replace(": ", " ")):
        before = ""
        for token in _TOKEN.findall(clause):
            parts = _PART.findall(token)
            bare = parts[0][0].isdigit()
            if not bare:
                words.add(token)
                if before:
                    words.add(f"{before} {token}")
            word = before
            for part in parts:
                if not part[0].isdigit():
                    word = part
                elif word:
                    numbers.append((word, float(part)))
            # A bare number ends the run of words.
            before = "" if bare else token
    return words, numbers
