"""Hits told with everything the gallery shows of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.marker_scale import MarkerScale
    from napari_haiku.atlas.store import Atlas

_STANDS_OUT_SD = 0.5
_MOST_NAMED = 2
THIS_SLIDE = "this slide"


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
    record : str
        The record of its patient in a line.
    pictures : mapping
        "he" and "mif" -> small picture; empty while they are not read yet.
    """

    rank: int
    row: int
    similarity: float
    whose: str
    this_slide: bool
    position_um: tuple[float, float]
    stands_out: tuple[str, ...]
    record: str
    pictures: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)


def make_cards(
    atlas: Atlas, slide_id: str, rows: Sequence[int], similarity: Sequence[float]
) -> tuple[HitCard, ...]:
    """Describe hits, best first, without their pictures.

    Parameters
    ----------
    atlas : Atlas
        Where they were found.
    slide_id : str
        The slide in view.
    rows : sequence of int
        Rows of the atlas.
    similarity : sequence of float
        Likeness of each.
    """
    if not len(rows):
        return ()
    out = _stands_out(atlas, np.asarray(rows, np.int64))
    cards = []
    for rank, (row, alike) in enumerate(zip(rows, similarity, strict=True), start=1):
        slide = int(atlas.slide_index[row])
        this_slide = str(atlas.slides["slide_id"].iloc[slide]) == slide_id
        x, y = atlas.positions_um[row]
        cards.append(
            HitCard(
                rank=rank,
                row=int(row),
                similarity=float(alike),
                whose=THIS_SLIDE if this_slide else atlas.pseudonym_of(int(row)),
                this_slide=this_slide,
                position_um=(float(x), float(y)),
                stands_out=out[rank - 1],
                record=record_line(atlas, int(row)),
            )
        )
    return tuple(cards)


def record_line(atlas: Atlas, row: int) -> str:
    """Write the record of a patch's patient in a line."""
    return ", ".join(f"{name}: {value}" for name, value in atlas.record_of(row).items())


def with_pictures(
    atlas: Atlas, cards: Sequence[HitCard], ranks: frozenset[int] | None = None
) -> tuple[HitCard, ...]:
    """Read the pictures of cards that have none; of some ranks only, where these are given."""
    return tuple(
        replace(card, pictures=pictures_of(atlas, card.row))
        if not card.pictures and (ranks is None or card.rank in ranks)
        else card
        for card in cards
    )


def pictures_of(atlas: Atlas, row: int) -> dict[str, NDArray[np.uint8]]:
    """Read the small pictures that the atlas keeps of a patch."""
    found = {}
    for modality in ("he", "mif"):
        try:
            found[modality] = atlas.thumbnail(row, modality)
        except HaikuError:
            continue
    return found


_scales: WeakKeyDictionary[Atlas, MarkerScale] = WeakKeyDictionary()


def scale_of(atlas: Atlas) -> MarkerScale:
    """Scale of every marker of an atlas, read once while it is open."""
    from napari_haiku.analysis.biomarkers.marker_scale import marker_scale

    if atlas not in _scales:
        _scales[atlas] = marker_scale(atlas)
    return _scales[atlas]


def _stands_out(atlas: Atlas, rows: NDArray[np.int64]) -> list[tuple[str, ...]]:
    if not atlas.markers:
        return [()] * len(rows)
    heights = scale_of(atlas).standardise(atlas.expression[rows])
    heights = np.where(np.isfinite(heights), heights, -np.inf)
    best = np.argsort(-heights, axis=1, kind="stable")[:, :_MOST_NAMED]
    return [
        tuple(atlas.markers[i] for i in columns if height[i] >= _STANDS_OUT_SD)
        for columns, height in zip(best, heights, strict=True)
    ]
