"""Search with a question of several parts and a chosen score.

Scores that are one dot product go to :func:`napari_haiku.atlas.search.search`, index included. The
others (ranks fused, volumes) see every patch that may answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.atlas.query import compose_query, default_weights, normalised
from napari_haiku.atlas.ranking import sorted_pairs
from napari_haiku.atlas.scoring import SCORERS, check_scorer, fused_ranks, query_vector, score
from napari_haiku.atlas.search import Hits, Within, checked_queries, search
from napari_haiku.atlas.widening import widen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.atlas.selection import Exclusion
    from napari_haiku.atlas.store import Atlas

_ROWS_AT_ONCE = 16_384
# Scores held at once, for some of the queries and all candidates.
_HELD = 1 << 23


def search_parts(
    atlas: Atlas,
    parts: Mapping[str, NDArray[np.float32] | None],
    *,
    scorer: str = "late_fusion",
    weights: Mapping[str, float] | None = None,
    model_card: Mapping[str, Any] | None = None,
    target: str = "mif",
    k: int = 50,
    where: str | None = None,
    exclude: Exclusion | None = None,
    query_positions_um: NDArray[np.float64] | None = None,
    exact: bool = False,
) -> Hits:
    """Find the k patches that score best against a question of several parts.

    Parameters
    ----------
    atlas : Atlas
        Where to look.
    parts : mapping
        Unit vectors by modality, (q, dim) or (dim,); None counts as absent.
    scorer : str
        One of :data:`napari_haiku.atlas.scoring.SCORERS`.
    weights : mapping, optional
        Share of each part; those of share 0 are no part of the question. By
        default :func:`napari_haiku.atlas.query.default_weights` says which parts
        ask; `rrf` then counts them alike.
    model_card : mapping, optional
        Card of the model; scores that only some training makes meaningful are
        refused, or answered with a warning in `note`, unless it names that.
    target, k, where, exclude, query_positions_um, exact
        As :func:`napari_haiku.atlas.search.search`.

    Returns
    -------
    Hits
        `similarity` holds the scores; the higher, the better.

    Raises
    ------
    HaikuError
        As :func:`napari_haiku.atlas.search.search`, or the score does not fit the
        question or the model.
    """
    note = check_scorer(scorer, model_card or {}) or ""
    shares = normalised(default_weights(parts) if weights is None else weights)
    used = {name: parts.get(name) for name, share in shares.items() if share > 0}
    # Says which part is absent, whatever the score.
    composed = compose_query(used, {name: shares[name] for name in used})
    if SCORERS[scorer].one_vector:
        given = None if scorer in ("cosine", "mip") else {name: shares[name] for name in used}
        vectors = composed if scorer == "late_fusion" else query_vector(scorer, used, given)
        found = search(
            atlas,
            vectors,
            target=target,
            k=k,
            where=where,
            exclude=exclude,
            query_positions_um=query_positions_um,
            exact=exact,
        )
        return Hits(found.indices, found.similarity, found.method, note)
    queries = checked_queries(atlas, composed, k)
    rows = {
        name: np.broadcast_to(np.atleast_2d(np.asarray(part, np.float64)), queries.shape)
        for name, part in used.items()
    }
    within = Within.of(atlas, target, where, exclude, query_positions_um, len(queries))
    counted = None if weights is None else {name: shares[name] for name in used}
    indices = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), np.nan, np.float32)
    step = max(1, _HELD // max(1, len(within.rows)))
    for start in range(0, len(queries), step):
        part = slice(start, min(start + step, len(queries)))
        some = {name: row[part] for name, row in rows.items()}
        out = _out(within, part)
        if scorer == "rrf":
            fused = fused_ranks(_similarities(atlas, target, within.rows, some, out), counted)
        else:
            fused = _each(atlas, target, within.rows, some, scorer)
        query, place = np.nonzero(~out)
        values = fused[query, place].astype(np.float32)
        indices[part], scores[part] = sorted_pairs(
            query, within.rows[place], values, part.stop - part.start, k
        )
    return Hits(indices, scores, "exact", note)


def _out(within: Within, part: slice) -> NDArray[np.bool_]:
    """Which pairs of a query and a row are out, shape (q, rows)."""
    n = part.stop - part.start
    out = np.zeros((n, len(within.rows)), bool)
    if within.gap is not None:
        near = within.gap.of_queries(part)
        places = np.searchsorted(within.rows, near.rows)
        for query in range(n):
            asked = np.full(len(near.rows), query)
            out[query, places[near.drops(asked, near.rows)]] = True
    return out


def _similarities(
    atlas: Atlas,
    target: str,
    rows: NDArray[np.int64],
    parts: dict[str, NDArray[np.float64]],
    out: NDArray[np.bool_],
) -> dict[str, NDArray[np.float32]]:
    """Similarity of every candidate to each part; who is out takes no rank."""
    found = {name: np.empty(out.shape, np.float32) for name in parts}
    for part, vectors in _blocks(atlas, target, rows):
        for name, row in parts.items():
            found[name][:, part] = row @ vectors.T
    for scores in found.values():
        scores[out] = -np.inf
    return found


def _each(
    atlas: Atlas,
    target: str,
    rows: NDArray[np.int64],
    parts: dict[str, NDArray[np.float64]],
    scorer: str,
) -> NDArray[np.float64]:
    """Score of every candidate by itself."""
    found = np.empty((len(next(iter(parts.values()))), len(rows)))
    for part, vectors in _blocks(atlas, target, rows):
        found[:, part] = score(scorer, parts, vectors)
    return found


def _blocks(atlas: Atlas, target: str, rows: NDArray[np.int64]) -> Any:
    """Vectors of candidates in double precision, some at a time."""
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        if target == "text":
            half = atlas.slide_texts[atlas.slide_index[some]]
        else:
            half = atlas.embeddings(target)[some]
        yield slice(start, start + len(some)), widen(half).astype(np.float64)
