"""Retrieval: how far up the true counterpart stands, for every pair of modalities and fusion."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.evaluation.chance import RandomOrder
from napari_haiku.evaluation.hand_made import hand_made_space
from napari_haiku.evaluation.label_retrieval import retrieval_by_label
from napari_haiku.evaluation.ranks import group_ranks, paired_ranks
from napari_haiku.evaluation.relevance import relevance_scores
from napari_haiku.evaluation.resampling import PatientResampling
from napari_haiku.evaluation.spaces import Space, model_space, random_space

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.figures import Figure
    from napari_haiku.evaluation.ranks import Ranks
    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.jobs import Job

KS = (1, 5, 10, 50)
PUBLISHED_KS = (1, 5, 10, 20, 50)
OWN_PATIENT_IN = (
    "The right answer is the patch's own counterpart, so the own patient is in the gallery."
)
_OWN_CAPTION = "The right answer is any caption or patch of the own patient."


def run(cohort: EvaluationCohort, request: EvaluateRequest) -> Job[dict[str, Any]]:
    """Measure retrieval for every ordered pair of modalities and for fused questions.

    Raises
    ------
    HaikuError
        The cohort has a single modality, or the model's modalities cannot be
        compared.
    """
    space = model_space(cohort)
    if not space.shared:
        raise HaikuError(
            f"The modalities of {cohort.atlas.model_name} lie in no shared space: there is nothing "
            "to retrieve across."
        )
    if not list(directions(space)):
        raise HaikuError(
            f"The atlas {cohort.atlas.name} has no two modalities on the same patches, so there is "
            "nothing to retrieve: give slides with H&E and mIF, or with a clinical record."
        )
    out: dict[str, Any] = yield from measure(space, request)
    baselines: dict[str, Any] = {}
    baselines["random"] = yield from measure(random_space(space, request.seed), request)
    hand_made = yield from hand_made_space(cohort, request, space)
    if hand_made is not None:
        baselines["hand_made"] = yield from measure(hand_made, request)
    out["by_label"] = yield from retrieval_by_label(cohort, request, space)
    return out | {"baselines": baselines}


def directions(space: Space) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every question (one modality or several) and its target that some patch allows."""
    there = [*space.images, *(["text"] if space.captions is not None else [])]
    asked: list[tuple[tuple[str, ...], str]] = [((a,), b) for a, b in permutations(there, 2)]
    if len(there) == 3:
        asked += [(("he", "text"), "mif"), (("mif", "text"), "he"), (("he", "mif"), "text")]
    for parts, target in asked:
        if space.crossing is None and space.name == "hand_made":
            continue
        if space.has_all((*parts, target)).any():
            yield parts, target


def measure(space: Space, request: EvaluateRequest) -> Job[dict[str, Any]]:
    """Measure every direction of a space; ``"he->mif"`` -> figures."""
    out: dict[str, Any] = {}
    for parts, target in directions(space):
        name = f"{'+'.join(parts)}->{target}"
        if "text" in (*parts, target) and (parts == ("text",) or target == "text"):
            if request.published:
                out[name] = yield from _paired(space, parts, target, request)
            else:
                out[name] = yield from _by_patient(space, parts, target, request)
        else:
            out[name] = yield from _paired(space, parts, target, request)
    return out


def _paired(
    space: Space, parts: tuple[str, ...], target: str, request: EvaluateRequest
) -> Job[dict[str, Figure]]:
    """One right answer: the counterpart of the same patch."""
    kept = np.flatnonzero(space.has_all((*parts, target)))
    if len(parts) > 1:
        queries, gallery = space.fused(parts, kept), _rows(space.row_vectors(target), kept)
    elif "text" in (*parts, target):
        queries = _rows(space.row_vectors(parts[0]), kept)
        gallery = _rows(space.row_vectors(target), kept)
    else:
        queries, gallery = (_rows(vectors, kept) for vectors in space.pair(parts[0], target))
    doing = f"Ranking {_words(parts, target)} ({space.title.lower()})"
    ranks = yield from paired_ranks(queries, gallery, doing)
    patients = space.patients[kept]
    return rank_figures(ranks, patients, RandomOrder(len(kept), 1), request, note=OWN_PATIENT_IN)


def _by_patient(
    space: Space, parts: tuple[str, ...], target: str, request: EvaluateRequest
) -> Job[dict[str, Figure]]:
    """Captions repeat over a patient's patches, so every one of the patient's is right."""
    captions = space.captions
    if captions is None:
        raise HaikuError("No slide of the cohort has a clinical record to read.")
    if parts == ("text",):
        kept = np.flatnonzero(space.has_all((target,)))
        queries, groups = captions, space.caption_patient
        gallery, candidates = space.vectors[target][kept], space.patients[kept]
        asked = np.isin(groups, candidates)
        queries, groups = queries[asked], groups[asked]
    else:
        kept = np.flatnonzero(space.has_all((*parts, "text")))
        queries = (
            space.fused(parts, kept) if len(parts) > 1 else _rows(space.vectors[parts[0]], kept)
        )
        groups = space.patients[kept]
        gallery, candidates = captions, space.caption_patient
    doing = f"Ranking {_words(parts, target)} ({space.title.lower()})"
    ranks = yield from group_ranks(queries, gallery, groups, candidates, doing)
    size = np.bincount(candidates, minlength=int(groups.max()) + 1)[groups]
    chance = RandomOrder(len(candidates), size)
    figures = rank_figures(ranks, groups, chance, request, note=_OWN_CAPTION)
    if size.max() > 1:
        scores = yield from relevance_scores(
            queries, gallery, lambda part: groups[part, None] == candidates[None], seed=request.seed
        )
        draw = PatientResampling(groups, seed=request.seed, resamples=request.resamples)
        figures["nDCG"] = draw.mean(scores.gain, chance=chance.gain())
        figures["mAP"] = draw.mean(scores.average_precision, chance=chance.average_precision())
    return figures


def rank_figures(
    ranks: Ranks,
    patients: NDArray[np.int64],
    chance: RandomOrder,
    request: EvaluateRequest,
    *,
    note: str = "",
) -> dict[str, Figure]:
    """Turn ranks into recall, reciprocal and median rank, nDCG and mAP."""
    draw = PatientResampling(patients, seed=request.seed, resamples=request.resamples)
    out = {
        f"R@{k}": draw.mean(ranks.hit(k), chance=chance.hit(k), note=note)
        for k in (PUBLISHED_KS if request.published else KS)
    }
    out["MRR"] = draw.mean(ranks.reciprocal(), chance=chance.reciprocal())
    out["median_rank"] = draw.median(ranks.rank(), chance=chance.median_rank())
    out["nDCG"] = draw.mean(ranks.gain(), chance=chance.gain())
    out["mAP"] = draw.mean(ranks.reciprocal(), chance=chance.average_precision())
    return out


def _rows(vectors: NDArray[np.float32], kept: NDArray[np.int64]) -> NDArray[np.float32]:
    """Take some rows, without a copy where that is all of them."""
    return vectors if len(kept) == len(vectors) else vectors[kept]


def _words(parts: tuple[str, ...], target: str) -> str:
    words = {"he": "H&E", "mif": "mIF", "text": "text"}
    return f"{' + '.join(words[part] for part in parts)} to {words[target]}"
