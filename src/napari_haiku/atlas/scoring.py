"""Ways to score candidates against a question of several parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_haiku.atlas.query import default_weights, normalised
from napari_haiku.errors import HaikuError

Vectors = NDArray[np.floating[Any]]
Scores = NDArray[np.float64]
RRF_K = 60
_WORDS = {"he": "H&E", "mif": "mIF", "text": "text"}


@dataclass(frozen=True)
class Scorer:
    """One way to score.

    Attributes
    ----------
    name : str
    description : str
        One line for the user.
    one_vector : bool
        Whether it is the dot product with a single vector, so that an index or
        :func:`napari_haiku.atlas.search.search` answers it; see
        :func:`query_vector`.
    trained_by : frozenset of str
        Objectives that make it valid; empty where any does.
    refused : bool
        Whether it is refused without one of those, or only warned about.
    """

    name: str
    description: str
    one_vector: bool
    trained_by: frozenset[str] = frozenset()
    refused: bool = False


SCORERS: dict[str, Scorer] = {
    scorer.name: scorer
    for scorer in (
        Scorer("cosine", "Similarity to the only part of the question.", True),
        Scorer("late_fusion", "Weighted mean of the similarities to each part.", True),
        Scorer("early_fusion", "Similarity to the weighted sum of the parts.", True),
        Scorer("rrf", "Sum over the parts of 1 / (60 + rank).", False),
        Scorer(
            "mip",
            "Sum of products over all parts and the candidate.",
            True,
            frozenset({"symile"}),
            refused=True,
        ),
        Scorer(
            "gram_volume",
            "Smallest volume spanned by the parts and the candidate.",
            False,
            frozenset({"gram"}),
        ),
    )
}


def check_scorer(name: str, card: Mapping[str, Any]) -> str | None:
    """Say whether a model was trained for a scorer.

    Parameters
    ----------
    name : str
        Scorer.
    card : mapping
        Model card.

    Returns
    -------
    str or None
        A warning to show, if any.

    Raises
    ------
    HaikuError
        There is no such scorer, or the model's training makes it meaningless.
    """
    scorer = _named(name)
    trained = trained_objectives(card)
    if not scorer.trained_by or scorer.trained_by & trained:
        return None
    wanted = " or ".join(sorted(scorer.trained_by))
    found = f"with {', '.join(sorted(trained))}" if trained else "in a way its card does not name"
    if scorer.refused:
        raise HaikuError(
            f"The score {name} means something only for a model trained with {wanted}, and this "
            f"one was trained {found}: choose late_fusion or rrf."
        )
    return (
        f"The score {name} is meant for models trained with {wanted}; this one was trained "
        f"{found}. Where H&E and mIF of a question agree, the volume is near zero whatever the "
        "candidate."
    )


def trained_objectives(card: Mapping[str, Any]) -> frozenset[str]:
    """Names of the objectives a model card lists, in any of its forms."""
    training = card.get("training")
    listed = None
    if isinstance(training, Mapping):
        listed = training.get("objectives", training.get("objective"))
    if isinstance(listed, str):
        return frozenset(part.partition("=")[0].strip() for part in listed.split("+"))
    if isinstance(listed, Mapping | list | tuple):
        return frozenset(str(part) for part in listed)
    return frozenset()


def query_vector(
    name: str, parts: Mapping[str, Vectors | None], weights: Mapping[str, float] | None = None
) -> NDArray[np.float32]:
    """Give the vector whose dot product with a candidate is the score.

    Parameters
    ----------
    name : str
        A scorer with ``one_vector``.
    parts : mapping
        Unit rows by modality, (q, d) or (d,); None counts as absent.
    weights : mapping, optional
        Share of each part; as published by default.

    Returns
    -------
    ndarray of float32, shape (q, d)

    Raises
    ------
    HaikuError
        The scorer is no dot product, or the parts do not fit it.
    """
    return _vector(name, _rows(parts), weights).astype(np.float32)


def score(
    name: str,
    parts: Mapping[str, Vectors | None],
    gallery: Vectors,
    *,
    weights: Mapping[str, float] | None = None,
    query_present: Mapping[str, NDArray[np.bool_]] | None = None,
    gallery_present: NDArray[np.bool_] | None = None,
    signed: bool = True,
) -> Scores:
    """Score every candidate for every query, higher is better for every scorer.

    Parameters
    ----------
    name : str
        Scorer; call :func:`check_scorer` with the model card first.
    parts : mapping
        Unit rows by modality, (q, d) or (d,) for one that serves every query.
    gallery : ndarray, shape (n, d)
        Unit rows of the candidates.
    weights : mapping, optional
        Share of each part, for the fusions and `rrf`; by default as published
        for the fusions and equal for `rrf`.
    query_present : mapping, optional
        Queries that have a part, (q,); a query is scored by the parts it has.
    gallery_present : ndarray of bool, shape (n,), optional
        Candidates that were measured; the others score minus infinity.
    signed : bool
        For `gram_volume`, which sees no sign: candidates that point away from
        the question come after all others.

    Returns
    -------
    ndarray of float64, shape (q, n)

    Raises
    ------
    HaikuError
        The parts do not fit the scorer or each other, or a query has none.
    """
    _named(name)
    rows = _rows(parts)
    candidates = np.asarray(gallery, np.float64)
    if candidates.ndim != 2 or candidates.shape[1] != next(iter(rows.values())).shape[1]:
        raise HaikuError(
            "The question and the candidates have vectors of different lengths: use one model for "
            "both."
        )
    there = None if gallery_present is None else np.asarray(gallery_present, bool)
    if there is not None and not there.all():
        out = np.full((len(next(iter(rows.values()))), len(candidates)), -np.inf)
        # Candidates that were not measured must not take a rank from the others.
        out[:, there] = score(
            name,
            rows,
            candidates[there],
            weights=weights,
            query_present=query_present,
            signed=signed,
        )
        return out
    if not query_present:
        return _scored(name, rows, candidates, weights, signed)
    return _by_parts_at_hand(name, rows, candidates, weights, query_present, signed)


def squared_volume(parts: Mapping[str, Vectors | None], gallery: Vectors) -> Scores:
    """Squared volume spanned by the parts of each query and each candidate.

    With an orthonormal basis Q of the parts it is det(G) (1 - |Q x|^2), so a
    candidate costs one dot product a part.
    """
    stacked = np.stack(list(_rows(parts).values()), 1)
    determinant, inside = _projection(stacked, np.asarray(gallery, np.float64))
    squared: Scores = determinant[:, None] * (1 - inside).clip(0)
    return squared


def fused_ranks(
    similarities: Mapping[str, Vectors], weights: Mapping[str, float] | None = None
) -> Scores:
    """Sum over the parts of 1 / (60 + rank), ranks counted from 1.

    Parameters
    ----------
    similarities : mapping
        Similarity of each candidate to each part, (q, n); equal ones rank in
        the order of the candidates.
    weights : mapping, optional
        Share of each part; equal by default, and then not scaled.

    Returns
    -------
    ndarray of float64, shape (q, n)
    """
    shares = dict.fromkeys(similarities, 1.0) if weights is None else normalised(weights)
    total = np.zeros(next(iter(similarities.values())).shape)
    for part, similar in similarities.items():
        order = np.argsort(-similar, axis=1, kind="stable")
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(1, order.shape[1] + 1)[None], axis=1)
        total += shares.get(part, 0.0) / (RRF_K + rank)
    return total


def _scored(
    name: str,
    rows: dict[str, Scores],
    gallery: Scores,
    weights: Mapping[str, float] | None,
    signed: bool,
) -> Scores:
    if SCORERS[name].one_vector:
        out: Scores = _vector(name, rows, weights) @ gallery.T
        return out
    if name == "rrf":
        return _reciprocal_ranks(rows, gallery, weights)
    stacked = np.stack(list(rows.values()), 1)
    determinant, inside = _projection(stacked, gallery)
    # Parts that say the same span nothing; the order of the candidates is still that of `inside`.
    volume = np.sqrt(determinant.clip(1e-12)[:, None] * (1 - inside).clip(0))
    towards = stacked.mean(1) @ gallery.T
    signs: Scores = np.where((towards >= 0) | (not signed), -volume, volume - 2)
    return signs


def _by_parts_at_hand(
    name: str,
    rows: dict[str, Scores],
    gallery: Scores,
    weights: Mapping[str, float] | None,
    query_present: Mapping[str, NDArray[np.bool_]],
    signed: bool,
) -> Scores:
    n = len(next(iter(rows.values())))
    has = np.stack(
        [np.asarray(query_present.get(part, np.ones(n, bool)), bool) for part in rows], 1
    )
    if not has.any(1).all():
        raise HaikuError("A query has none of its parts: leave it out.")
    out = np.empty((n, len(gallery)))
    for pattern in np.unique(has, axis=0):
        queries = (has == pattern).all(1)
        own = {m: v[queries] for (m, v), kept in zip(rows.items(), pattern, strict=True) if kept}
        shares = None if weights is None else {m: w for m, w in weights.items() if m in own}
        out[queries] = _scored(name, own, gallery, shares, signed)
    return out


def _vector(name: str, rows: dict[str, Scores], weights: Mapping[str, float] | None) -> Scores:
    scorer = _named(name)
    if not scorer.one_vector:
        raise HaikuError(
            f"The score {name} is no single dot product: score the candidates with it instead."
        )
    if name == "cosine":
        if len(rows) != 1:
            raise HaikuError(
                f"The score cosine takes one part, but the question has {len(rows)}: choose "
                "late_fusion, early_fusion or rrf."
            )
        alone: Scores = next(iter(rows.values()))
        return alone
    if name == "mip":
        product: Scores = np.prod(np.stack(list(rows.values())), axis=0)
        return product
    shares = normalised(default_weights(rows) if weights is None else weights)
    missing = [part for part, share in shares.items() if share and part not in rows]
    if missing:
        raise HaikuError(
            f"The question has no {_WORDS[missing[0]]} part, but a weight was given for it: leave "
            f"'{missing[0]}' out of the weights."
        )
    total: Scores = np.sum([shares.get(part, 0.0) * row for part, row in rows.items()], axis=0)
    if name == "early_fusion":
        length = np.sqrt((total**2).sum(1, keepdims=True))
        total = total / np.where(length > 0, length, 1)
    return total


def _reciprocal_ranks(
    rows: dict[str, Scores], gallery: Scores, weights: Mapping[str, float] | None
) -> Scores:
    return fused_ranks({part: row @ gallery.T for part, row in rows.items()}, weights)


def _projection(stacked: Scores, gallery: Scores) -> tuple[Scores, Scores]:
    """Return the determinant of each query's Gram matrix, and |Q x|^2 of every candidate."""
    _, singular, basis = np.linalg.svd(stacked, full_matrices=False)
    # Directions that only rounding gives do not belong to the span.
    basis = np.where(singular[..., None] > 1e-6, basis, 0)
    inside = (np.einsum("qkd,nd->qkn", basis, gallery) ** 2).sum(1)
    determinant: Scores = (singular**2).prod(1)
    return determinant, inside


def _rows(parts: Mapping[str, Vectors | None]) -> dict[str, Scores]:
    rows = {m: np.atleast_2d(np.asarray(v, np.float64)) for m, v in parts.items() if v is not None}
    if not rows:
        raise HaikuError("The question is empty: give at least one of H&E, mIF and text.")
    n = max(len(row) for row in rows.values())
    if len({row.shape[1] for row in rows.values()}) > 1 or any(
        len(row) not in (1, n) for row in rows.values()
    ):
        raise HaikuError("The parts of the question differ in number or length: encode them again.")
    return {m: np.broadcast_to(row, (n, row.shape[1])) for m, row in rows.items()}


def _named(name: str) -> Scorer:
    if name not in SCORERS:
        raise HaikuError(f"There is no score '{name}': choose {', '.join(SCORERS)}.")
    return SCORERS[name]
