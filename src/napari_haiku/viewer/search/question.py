"""A question put to the atlas, and the vectors it is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from napari_haiku.atlas.question_defaults import USUAL_HITS
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding


@dataclass(frozen=True, eq=False)
class Question:
    """What is looked for, and where.

    Parameters
    ----------
    encoding : Encoding
        The slide asked from.
    atlas : Atlas
        Where to look.
    patch : int or None
        The ringed patch; None when a region or only words are asked for.
    words : ndarray, shape (dim,), or None
        Vector of typed words in place of the record's.
    target : {"he", "mif", "text"}
        What the hits should be.
    weights : mapping
        Part -> share; empty for the usual shares of the parts at hand.
    k : int
        Number of hits.
    filters : mapping
        Clinical field -> the value hits must have.
    within_patient_um : float or None
        None: other patients only.
    region : tuple of int
        Patches outlined, which ask as one: their mean.
    refused : frozenset of int
        Rows of the atlas that the user does not want to see again.
    """

    encoding: Encoding
    atlas: Atlas
    patch: int | None
    words: NDArray[np.float32] | None
    target: str
    weights: Mapping[str, float]
    k: int = USUAL_HITS
    filters: Mapping[str, str] = field(default_factory=dict)
    within_patient_um: float | None = None
    region: tuple[int, ...] = ()
    refused: frozenset[int] = frozenset()

    @property
    def rows(self) -> tuple[int, ...]:
        """Patches of the slide that ask."""
        return self.region or (() if self.patch is None else (self.patch,))


def parts_of(question: Question) -> dict[str, NDArray[np.float32]]:
    """Vectors of the question's parts that are at hand, each (1, dim)."""
    parts: dict[str, NDArray[np.float32]] = {}
    rows = list(question.rows)
    if rows:
        for modality in question.encoding.modalities:
            vectors = vectors_of(question.encoding, modality)
            if vectors is not None:
                parts[modality] = _mean_unit(vectors[rows])
    text = vectors_of(question.encoding, "text") if question.words is None else question.words
    if text is not None:
        parts["text"] = np.atleast_2d(text)
    return parts


def vector_of(question: Question) -> NDArray[np.float32]:
    """Mix the parts of a question by their shares; shape (1, dim).

    Raises
    ------
    HaikuError
        Every part counts 0.
    """
    from napari_haiku.atlas.query import compose_query, default_weights

    at_hand = parts_of(question)
    wanted = question.weights or default_weights(at_hand)
    weights = {name: share for name, share in wanted.items() if name in at_hand}
    if not any(weights.values()):
        raise HaikuError("Every part of the question counts 0: drag at least one slider up.")
    return compose_query({name: at_hand[name] for name in weights}, weights)


def place_of(question: Question) -> tuple[NDArray[np.float64] | None, float]:
    """Centre of the patches that ask, shape (1, 2), and how far the outermost lies from it."""
    rows = list(question.rows)
    if not rows:
        return None, 0.0
    centres = question.encoding.centres_um[rows]
    middle = centres.mean(axis=0, keepdims=True)
    return middle, float(np.hypot(*(centres - middle).T).max())


def where_of(filters: Mapping[str, str]) -> str | None:
    """Write filters as the atlas reads them; None without any."""
    from napari_haiku.atlas.where import Both, Comparison, Condition, write_where

    condition: Condition | None = None
    for name, value in filters.items():
        one = Comparison(name, "=", (value,))
        condition = one if condition is None else Both(condition, one)
    return None if condition is None else write_where(condition)


_vectors: WeakKeyDictionary[Encoding, dict[str, NDArray[np.float32] | None]] = WeakKeyDictionary()


def vectors_of(encoding: Encoding, modality: str) -> NDArray[np.float32] | None:
    """Embeddings of a slide, read from disk once while it is open."""
    known = _vectors.setdefault(encoding, {})
    if modality not in known:
        known[modality] = encoding.embeddings(modality)
    return known[modality]


def forget_text(encoding: Encoding) -> None:
    """Have the vector of a slide's record read from disk again."""
    _vectors.get(encoding, {}).pop("text", None)


def _mean_unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(vectors) == 1:
        return vectors
    mean = vectors.mean(axis=0, keepdims=True)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)
