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

# A number is read as its place between these; between two of them it is shared out.
KNOTS = (0, 1, 2, 3, 4, 5, 7, 10, 14, 20, 28, 40, 56, 75, 100, 130, 180, 250, 500, 1000, 10_000)
_CLAUSE = re.compile(r"[,;:.](?=\s|$)")
_TOKEN = re.compile(r"[^\W_]+(?:\.\d+)?")
_PART = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?")


class CaptionReader:
    """Reads captions into a fixed list of features.

    Nothing of it is learnt but the list: what a feature means is the business
    of the text head alone, so that a head refitted on other patients shares
    nothing with the first that depended on patients.

    Parameters
    ----------
    features : sequence of str
        Known features: ``"word"``, ``"word word"`` (neighbours in a clause) and
        ``"word #28"`` (a number near 28 right after the word).
    """

    def __init__(self, features: Sequence[str]) -> None:
        self.features = tuple(features)
        self._column = {feature: i for i, feature in enumerate(self.features)}

    def read(self, captions: Sequence[str]) -> NDArray[np.float32]:
        """Features of captions, shape (n, features), each from 0 to 1."""
        out = np.zeros((len(captions), len(self.features)), np.float32)
        for row, caption in zip(out, captions, strict=True):
            for feature, amount in caption_features(caption).items():
                column = self._column.get(feature)
                if column is not None:
                    row[column] = max(row[column], amount)
        return out


def learn_features(captions: Iterable[str], *, at_least: int = 2) -> tuple[str, ...]:
    """List the features that occur in at least so many captions, by the alphabet."""
    counts: Counter[str] = Counter()
    for caption in captions:
        counts.update(caption_features(caption).keys())
    return tuple(sorted(feature for feature, count in counts.items() if count >= at_least))


def caption_features(caption: str) -> dict[str, float]:
    """Return the features of one caption with their amounts, 0 to 1.

    "stage: IV, grade: G2" has the clauses "stage", "IV", ...; a colon does not
    part a field from its value, so that "stage iv" is a feature.
    """
    text = unicodedata.normalize("NFKC", caption).casefold()
    found: dict[str, float] = {}
    for clause in _CLAUSE.split(text.replace(": ", " ")):
        before = ""
        for token in _TOKEN.findall(clause):
            parts = _PART.findall(token)
            if not parts[0][0].isdigit():
                found[token] = 1.0
                if before:
                    found[f"{before} {token}"] = 1.0
            word = before
            for part in parts:
                if part[0].isdigit():
                    for knot, amount in _shared_out(float(part)):
                        name = f"{word} #{knot}"
                        found[name] = max(found.get(name, 0.0), amount)
                else:
                    word = part
            # A bare number ends the run of words.
            before = "" if parts[0][0].isdigit() else token
    return found


def _shared_out(value: float) -> list[tuple[int, float]]:
    value = min(value, float(KNOTS[-1]))
    above = bisect.bisect_left(KNOTS, value)
    if KNOTS[above] == value:
        return [(KNOTS[above], 1.0)]
    low, high = KNOTS[above - 1], KNOTS[above]
    part = (value - low) / (high - low)
    return [(low, 1 - part), (high, part)]
