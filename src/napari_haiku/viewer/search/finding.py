"""A question put to the atlas, and its hits told with everything the window shows of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.marker_scale import MarkerScale
    from napari_haiku.atlas.search import Hits
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding

_STANDS_OUT_SD = 0.5
_MOST_NAMED = 2


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
        The ringed patch; None when only words are asked for.
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
    """

    encoding: Encoding
    atlas: Atlas
    patch: int | None
    words: NDArray[np.float32] | None
    target: str
    weights: Mapping[str, float]
    k: int = 50
    filters: Mapping[str, str] = field(default_factory=dict)
    within_patient_um: float | None = None


@dataclass(frozen=True, eq=False)
class HitCard:
    """One hit as the gallery shows it.

    Parameters
    ----------
    rank : int
        Place, from 1.
    row : int
        Row of the atlas.
    similarity : float
        Likeness to the question.
    whose : str
        "this slide" or the patient's pseudonym.
    this_slide : bool
        Whether the hit lies on the slide in view.
    position_um : tuple of float
        Patch centre (x, y) on its slide.
    stands_out : tuple of str
        At most two markers that are high there, the highest first.
    thumbnail : ndarray of uint8 or None
        Small picture.
    record : str
        The record of its patient in a line.
    """

    rank: int
    row: int
    similarity: float
    whose: str
    this_slide: bool
    position_um: tuple[float, float]
    stands_out: tuple[str, ...]
    thumbnail: NDArray[np.uint8] | None
    record: str


@dataclass(frozen=True, eq=False)
class Found:
    """The answer to a question.

    Parameters
    ----------
    question : Question
        What was asked.
    hits : Hits
        Rows and similarities, one query.
    cards : tuple of HitCard
        The hits, best first.
    likeness : ndarray of float32, shape (n,), or None
        Likeness of every patch of the slide to the question.
    patients : int
        Patients among the hits.
    milliseconds : float
        Time of the search alone.
    """

    question: Question
    hits: Hits
    cards: tuple[HitCard, ...]
    likeness: NDArray[np.float32] | None
    patients: int
    milliseconds: float

    @property
    def same_patient(self) -> tuple[int, ...]:
        """Ranks of the hits on the slide in view."""
        return tuple(card.rank for card in self.cards if card.this_slide)


def find(question: Question) -> Found:
    """Answer a question; reads disk, so call it in a worker.

    Raises
    ------
    HaikuError
        The atlas was made with another model, nothing can answer, or a filter
        leaves nothing.
    """
    from napari_haiku.atlas.query import compose_query, default_weights
    from napari_haiku.atlas.search import Exclusion, search

    encoding, atlas, patch = question.encoding, question.atlas, question.patch
    atlas.check_model(encoding.model_fingerprint)
    begin = time.perf_counter()
    at_hand = parts_of(question)
    wanted = question.weights or default_weights(at_hand)
    parts = {name: part for name, part in at_hand.items() if name in wanted}
    weights = {name: share for name, share in wanted.items() if name in parts}
    if not any(weights.values()):
        raise HaikuError("Every part of the question counts 0: drag at least one slider up.")
    vector = compose_query(parts, weights)
    hits = search(
        atlas,
        vector,
        target=question.target,
        k=question.k,
        where=where_of(question.filters),
        exclude=Exclusion.of(encoding, question.within_patient_um),
        query_positions_um=_positions(encoding, patch),
    )
    milliseconds = (time.perf_counter() - begin) * 1000
    rows = hits.indices[0][hits.found[0]]
    cards = tuple(
        _card(question, rank, int(row), float(hits.similarity[0, rank - 1]))
        for rank, row in enumerate(rows, start=1)
    )
    patients = len({atlas.pseudonym_of(int(row)) for row in rows})
    return Found(
        question, hits, cards, _likeness(encoding, question.target, vector), patients, milliseconds
    )


def parts_of(question: Question) -> dict[str, NDArray[np.float32]]:
    """Vectors of the question's parts that are at hand."""
    parts: dict[str, NDArray[np.float32]] = {}
    if question.patch is not None:
        for modality in question.encoding.modalities:
            vectors = vectors_of(question.encoding, modality)
            if vectors is not None:
                parts[modality] = vectors[question.patch : question.patch + 1]
    text = vectors_of(question.encoding, "text") if question.words is None else question.words
    if text is not None:
        parts["text"] = np.atleast_2d(text)
    return parts


def where_of(filters: Mapping[str, str]) -> str | None:
    """Write filters as the atlas reads them; None without any."""
    from napari_haiku.atlas.where import Both, Comparison, Condition, write_where

    condition: Condition | None = None
    for name, value in filters.items():
        one = Comparison(name, "=", (value,))
        condition = one if condition is None else Both(condition, one)
    return None if condition is None else write_where(condition)


_vectors: WeakKeyDictionary[Encoding, dict[str, NDArray[np.float32] | None]] = WeakKeyDictionary()
_scales: WeakKeyDictionary[Atlas, MarkerScale] = WeakKeyDictionary()


def vectors_of(encoding: Encoding, modality: str) -> NDArray[np.float32] | None:
    """Embeddings of a slide, read from disk once while it is open."""
    known = _vectors.setdefault(encoding, {})
    if modality not in known:
        known[modality] = encoding.embeddings(modality)
    return known[modality]


def _scale_of(atlas: Atlas) -> MarkerScale:
    from napari_haiku.analysis.biomarkers.marker_scale import marker_scale

    if atlas not in _scales:
        _scales[atlas] = marker_scale(atlas)
    return _scales[atlas]


def _positions(encoding: Encoding, patch: int | None) -> NDArray[np.float64] | None:
    return None if patch is None else encoding.centres_um[patch : patch + 1]


def _likeness(
    encoding: Encoding, target: str, vector: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    for modality in (target, *encoding.modalities):
        if modality in encoding.modalities:
            vectors = vectors_of(encoding, modality)
            if vectors is not None:
                return np.asarray(vectors @ vector[0], np.float32)
    return None


def _card(question: Question, rank: int, row: int, similarity: float) -> HitCard:
    atlas = question.atlas
    slide = atlas.slides.iloc[int(atlas.slide_index[row])]
    this_slide = str(slide["slide_id"]) == question.encoding.slide_id
    x, y = atlas.positions_um[row]
    return HitCard(
        rank=rank,
        row=row,
        similarity=similarity,
        whose="this slide" if this_slide else atlas.pseudonym_of(row),
        this_slide=this_slide,
        position_um=(float(x), float(y)),
        stands_out=_stands_out(atlas, row),
        thumbnail=_thumbnail(atlas, row, question.target),
        record=", ".join(f"{name}: {value}" for name, value in atlas.record_of(row).items()),
    )


def _stands_out(atlas: Atlas, row: int) -> tuple[str, ...]:
    if not atlas.markers:
        return ()
    height = _scale_of(atlas).standardise(atlas.expression[row])
    height = np.where(np.isfinite(height), height, -np.inf)
    best = np.argsort(-height, kind="stable")[:_MOST_NAMED]
    return tuple(atlas.markers[i] for i in best if height[i] >= _STANDS_OUT_SD)


def _thumbnail(atlas: Atlas, row: int, target: str) -> NDArray[np.uint8] | None:
    wanted = [target] if target in ("he", "mif") else []
    for modality in (*wanted, None):
        try:
            return atlas.thumbnail(row, modality)
        except HaikuError:
            continue
    return None
