"""Answering a question with the atlas, and ranking the answer anew while sliders move."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.viewer.search.hit_cards import HitCard, make_cards, with_pictures
from napari_haiku.viewer.search.question import (
    Question,
    place_of,
    vector_of,
    vectors_of,
    where_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.atlas.search import Hits
    from napari_haiku.encoding.store import Encoding

# Pictures read before the hits are first shown: a page of the gallery.
_FIRST_PICTURES = 12


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
        The hits, best first; those after the first page may lack pictures, see
        :func:`with_all_pictures`.
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
    from napari_haiku.atlas.search import Exclusion, search

    encoding, atlas = question.encoding, question.atlas
    atlas.check_model(encoding.model_fingerprint)
    begin = time.perf_counter()
    vector = vector_of(question)
    middle, reach = place_of(question)
    gap = question.within_patient_um
    hits = search(
        atlas,
        vector,
        target=question.target,
        k=question.k + len(question.refused),
        where=where_of(question.filters),
        # Every patch of a region keeps the gap, not only its middle.
        exclude=Exclusion.of(encoding, None if gap is None else gap + reach),
        query_positions_um=middle,
    )
    hits = _without(hits, question.refused, question.k)
    milliseconds = (time.perf_counter() - begin) * 1000
    rows = hits.indices[0][hits.found[0]]
    cards = make_cards(
        atlas, encoding.slide_id, rows.tolist(), hits.similarity[0][: len(rows)].tolist()
    )
    cards = with_pictures(atlas, cards, frozenset(range(1, _FIRST_PICTURES + 1)))
    patients = len({atlas.pseudonym_of(int(row)) for row in rows})
    likeness = _likeness(encoding, question.target, vector)
    return Found(question, hits, cards, likeness, patients, milliseconds)


def with_all_pictures(found: Found) -> Found:
    """Read the pictures that are still missing; call it in a worker."""
    return replace(found, cards=with_pictures(found.question.atlas, found.cards))


def rank_anew(found: Found, weights: Mapping[str, float]) -> Found:
    """Rank the hits at hand, and the slide's own patches, by other shares.

    It looks at no other patch of the atlas, so that it keeps up with a slider;
    :func:`find` with the same shares tells the rest.

    Raises
    ------
    HaikuError
        Every part counts 0.
    """
    question = replace(found.question, weights=dict(weights))
    vector = vector_of(question)
    rows = np.array([card.row for card in found.cards], np.int64)
    if question.target == "text":
        candidates = question.atlas.slide_texts[question.atlas.slide_index[rows]]
    else:
        candidates = question.atlas.embeddings(question.target)[rows]
    similarity = np.asarray(candidates, np.float32) @ vector[0]
    order = np.argsort(-similarity, kind="stable")
    cards = tuple(
        replace(found.cards[place], rank=rank, similarity=float(similarity[place]))
        for rank, place in enumerate(order.tolist(), start=1)
    )
    hits = replace(found.hits, indices=rows[order][None], similarity=similarity[order][None])
    likeness = _likeness(question.encoding, question.target, vector)
    return replace(found, question=question, hits=hits, cards=cards, likeness=likeness)


def _without(hits: Hits, refused: frozenset[int], k: int) -> Hits:
    if not refused:
        return hits
    keep = ~np.isin(hits.indices[0], list(refused))
    return replace(
        hits,
        indices=hits.indices[:, keep][:, :k],
        similarity=hits.similarity[:, keep][:, :k],
    )


def _likeness(
    encoding: Encoding, target: str, vector: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    for modality in (target, *encoding.modalities):
        if modality in encoding.modalities:
            vectors = vectors_of(encoding, modality)
            if vectors is not None:
                return np.asarray(vectors @ vector[0], np.float32)
    return None
