"""One slide under many captions: a single pass over the atlas, ranked again for each caption.

The score of an atlas patch is `w_he h.g + w_text t.g`. Only the second term knows the
caption, and it is the same for every patch of the slide. So the first is computed once, and
a bound tells which atlas patches can be among the best under any of the captions; only those
are ranked, and nothing that could matter is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_haiku.atlas.ranking import Gap
from napari_haiku.atlas.selection import eligible_rows, own_rows
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_haiku.analysis.retrieval.retrieval import SlideQuestion

Weighting = Literal["equal", "scores", "softmax"]

_PATCHES_AT_ONCE = 64
_TEMPERATURE = 0.07
_ROWS_AT_ONCE = 16_384
# More than the rounding of float32 products of unit vectors can add up to.
_SLACK = np.float32(1e-5)


@dataclass(frozen=True)
class Gallery:
    """Atlas patches that may answer.

    Parameters
    ----------
    vectors : ndarray, shape (atlas rows, dim)
        mIF vectors; may be memory-mapped.
    values : ndarray, shape (atlas rows, markers)
        Marker values, NaN where not measured; may be memory-mapped.
    rows : ndarray of int64
        Ascending rows that may answer.
    gap : Gap, optional
        Rows that are too close to single patches.
    """

    vectors: NDArray[Any]
    values: NDArray[Any]
    rows: NDArray[np.int64]
    gap: Gap | None = None

    @classmethod
    def of(cls, question: SlideQuestion) -> Gallery:
        """Take what may answer a slide's question."""
        atlas, exclude = question.atlas, question.exclude
        kept = eligible_rows(atlas, "mif", question.where, exclude)
        gap = None
        if exclude.within_patient_um is not None:
            own = np.flatnonzero(kept & own_rows(atlas, exclude))
            gap = Gap(
                own,
                atlas.positions_um[own],
                np.asarray(question.positions_um, np.float64),
                float(exclude.within_patient_um),
            )
        return cls(atlas.embeddings("mif"), atlas.expression, np.flatnonzero(kept), gap)


@dataclass(frozen=True)
class Ranked:
    """What one patch of the slide finds under every caption.

    Parameters
    ----------
    patch : int
        Which patch.
    rows : ndarray of int64, shape (m,)
        Ascending atlas rows that are among the best under some caption.
    chosen : ndarray of bool, shape (captions, m)
        Which of them are the best k under each caption.
    scores : ndarray of float32, shape (captions, m)
        Their scores.
    """

    patch: int
    rows: NDArray[np.int64]
    chosen: NDArray[np.bool_]
    scores: NDArray[np.float32]


def rank_under_captions(
    he: NDArray[np.float32],
    gallery: Gallery,
    weights: Mapping[str, float],
    texts: NDArray[np.float32],
    k: int,
) -> Iterator[Ranked]:
    """Find the best k atlas patches of every patch of a slide under every caption.

    Parameters
    ----------
    he : ndarray of float32, shape (n, dim)
        H&E vectors of the slide.
    gallery : Gallery
        Who may answer.
    weights : mapping
        Weights of "he" and "text".
    texts : ndarray of float32, shape (captions, dim)
        Vectors of the captions.
    k : int
        Neighbours.

    Yields
    ------
    Ranked
        Patch by patch; ties go to the lower row, as in the atlas's own search.
    """
    words = np.asarray(texts, np.float64) * weights.get("text", 0.0)
    tissue = np.asarray(he, np.float64) * weights.get("he", 0.0)
    lowest, highest = _reach(gallery, words)
    for start in range(0, len(tissue), _PATCHES_AT_ONCE):
        block = slice(start, min(start + _PATCHES_AT_ONCE, len(tissue)))
        possible = _possible(tissue[block], block, gallery, lowest, highest, k)
        union = np.unique(np.concatenate(possible)) if possible else np.empty(0, np.int64)
        vectors = np.asarray(gallery.vectors[gallery.rows[union]], np.float64)
        of_he, of_text = tissue[block] @ vectors.T, words @ vectors.T
        for number, places in enumerate(possible):
            here = np.searchsorted(union, places)
            scores = (of_text[:, here] + of_he[number, here]).astype(np.float32)
            yield Ranked(start + number, gallery.rows[places], best_of(scores, k), scores)


def best_of(scores: NDArray[np.float32], k: int) -> NDArray[np.bool_]:
    """Mark the k largest of each row, ties going to the first."""
    width = scores.shape[1]
    if width <= k:
        return np.ones(scores.shape, bool)
    floor = np.partition(scores, width - k, axis=1)[:, width - k, None]
    best: NDArray[np.bool_] = scores >= floor
    for row in np.flatnonzero(best.sum(axis=1) > k):
        level = np.flatnonzero(scores[row] == floor[row])
        above = int((scores[row] > floor[row]).sum())
        best[row, level[k - above :]] = False
    return best


def shifts_under_captions(
    he: NDArray[np.float32],
    gallery: Gallery,
    weights: Mapping[str, float],
    texts: NDArray[np.float32],
    pairs: NDArray[np.int64],
    k: int,
    niches: NDArray[np.int64],
    *,
    niche_numbers: Sequence[int],
    least: int = 1,
    weighting: Weighting = "equal",
    doing: str = "Ranking under other captions",
) -> Job[NDArray[np.float64]]:
    """Average the shift of every pair of captions over each niche of a slide.

    Parameters
    ----------
    he, gallery, weights, texts, k
        As :func:`rank_under_captions`.
    pairs : ndarray of int64, shape (edits, 2)
        Captions before and after, as rows of `texts`.
    niches : ndarray of int64, shape (n,)
        Niche of each patch.
    niche_numbers : sequence of int
        Niches in the order of the result.
    least : int
        Patches that a mean needs.
    weighting : {"equal", "scores", "softmax"}
        As :func:`mean_of_chosen`.
    doing : str
        What progress says.

    Returns
    -------
    ndarray of float64, shape (edits, niches, markers)
        In the units of the atlas; NaN where not estimable.
    """
    place = {number: row for row, number in enumerate(niche_numbers)}
    shape = (len(pairs), len(niche_numbers), gallery.values.shape[1])
    total, count = np.zeros(shape), np.zeros(shape, np.int64)
    for found in rank_under_captions(he, gallery, weights, texts, k):
        if found.patch % _PATCHES_AT_ONCE == 0:
            yield Progress(found.patch, len(he), doing)
        row = place.get(int(niches[found.patch]))
        if row is None:
            continue
        read = mean_of_chosen(found, gallery.values, weighting)
        change = read[pairs[:, 1]] - read[pairs[:, 0]]
        known = np.isfinite(change)
        total[:, row] += np.where(known, change, 0)
        count[:, row] += known
    return np.where(count >= max(least, 1), total / np.maximum(count, 1), np.nan)


def mean_of_chosen(
    found: Ranked, values: NDArray[Any], weighting: Weighting = "equal"
) -> NDArray[np.float64]:
    """Average the markers of the chosen rows that measured them, shape (captions, markers).

    Parameters
    ----------
    found : Ranked
        What one patch found.
    values : ndarray, shape (atlas rows, markers)
        Marker values, NaN where not measured.
    weighting : {"equal", "scores", "softmax"}
        Whether neighbours count alike, by their scores (as published), or by a
        softmax of them at temperature 0.07.
    """
    columns = np.asarray(values[found.rows], np.float64)
    known = np.isfinite(columns)
    chosen = found.chosen.astype(np.float64)
    if weighting == "scores":
        chosen *= np.maximum(found.scores, 0)
    elif weighting == "softmax":
        chosen *= np.exp((found.scores - found.scores.max(axis=1, keepdims=True)) / _TEMPERATURE)
    if known.all() and len(columns):
        whole: NDArray[np.float64] = (chosen @ columns) / chosen.sum(axis=1, keepdims=True)
        return whole
    count = chosen @ known.astype(np.float64)
    total = chosen @ np.where(known, columns, 0)
    return np.where(count > 0, total / np.where(count > 0, count, 1), np.nan)


def candidates_under_captions(
    he: NDArray[np.float32],
    gallery: Gallery,
    weights: Mapping[str, float],
    texts: NDArray[np.float32],
    room: int,
) -> NDArray[np.int64]:
    """Find the best candidates of each patch under each caption, best first.

    Returns
    -------
    ndarray of int64, shape (captions, n, room)
        Atlas rows, -1 where the gallery ran out.
    """
    out = np.full((len(texts), len(he), room), -1, np.int64)
    for found in rank_under_captions(he, gallery, weights, texts, room):
        for number, (chosen, scores) in enumerate(zip(found.chosen, found.scores, strict=True)):
            best = np.flatnonzero(chosen)
            order = best[np.argsort(-scores[best], kind="stable")]
            out[number, found.patch, : len(order)] = found.rows[order]
    return out


def _reach(
    gallery: Gallery, texts: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lowest and highest text term of each row over the captions.

    A caption's mean over the rows moves no rank, so each is taken from its mean:
    what is left of the spread between captions is what can change a ranking.
    """
    rows = gallery.rows
    total = np.zeros(gallery.vectors.shape[1])
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = gallery.vectors[rows[start : start + _ROWS_AT_ONCE]]
        total += np.asarray(part, np.float32).sum(axis=0, dtype=np.float64)
    level = texts @ (total / max(1, len(rows)))
    lowest, highest = (np.empty(len(rows), np.float32) for _ in range(2))
    few = texts.astype(np.float32)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = slice(start, start + _ROWS_AT_ONCE)
        vectors = np.asarray(gallery.vectors[rows[some]], np.float32)
        terms = vectors @ few.T - level.astype(np.float32)
        lowest[some], highest[some] = terms.min(axis=1), terms.max(axis=1)
    return lowest - _SLACK, highest + _SLACK


def _possible(
    he: NDArray[np.float64],
    block: slice,
    gallery: Gallery,
    lowest: NDArray[np.float32],
    highest: NDArray[np.float32],
    k: int,
) -> list[NDArray[np.int64]]:
    """Places in `gallery.rows` that can be among the best k of each patch under some caption.

    Under every caption, k rows score at least the k-th best of the lowest scores;
    a row whose highest score is less than that is never among the best.
    """
    few = he.astype(np.float32)
    floors = np.full((len(he), k), -np.inf, np.float32)
    kept: list[list[tuple[NDArray[np.int64], NDArray[np.float32]]]] = [[] for _ in he]
    for start in range(0, len(gallery.rows), _ROWS_AT_ONCE):
        rows = gallery.rows[start : start + _ROWS_AT_ONCE]
        some = slice(start, start + len(rows))
        of_he = few @ np.asarray(gallery.vectors[rows], np.float32).T
        if gallery.gap is not None:
            part, out = gallery.gap.too_close(block, int(rows[0]), int(rows[-1]) + 1)
            patch, near = np.nonzero(out)
            of_he[patch, np.searchsorted(rows, gallery.gap.rows[part][near])] = -np.inf
        floors = np.concatenate([floors, of_he + lowest[some]], axis=1)
        floors = np.partition(floors, floors.shape[1] - k, axis=1)[:, -k:]
        top = of_he + highest[some]
        reach = (top >= floors.min(axis=1)[:, None]) & (top > -np.inf)
        for number in range(len(he)):
            places = np.flatnonzero(reach[number])
            kept[number].append((places + start, top[number, places]))
    bars = floors.min(axis=1)
    return [
        np.concatenate([places[top >= bar] for places, top in parts])
        if parts
        else np.empty(0, np.int64)
        for parts, bar in zip(kept, bars, strict=True)
    ]
