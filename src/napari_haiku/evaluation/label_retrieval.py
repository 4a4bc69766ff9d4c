"""Retrieval by label: whether the hits share the question's disease, stage and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.evaluation.chance import RandomOrder
from napari_haiku.evaluation.labels import label_fields
from napari_haiku.evaluation.relevance import relevance_scores
from napari_haiku.evaluation.resampling import PatientResampling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.figures import Figure
    from napari_haiku.evaluation.labels import LabelField
    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.evaluation.spaces import Space
    from napari_haiku.jobs import Job

# Whole rankings are sorted, so no more questions than these are asked; drawn by the seed.
MAX_QUERIES = 1000
KS = (1, 5, 10, 50)


def retrieval_by_label(
    cohort: EvaluationCohort, request: EvaluateRequest, space: Space
) -> Job[dict[str, Any]]:
    """Measure field -> direction -> figures between the two image modalities.

    A hit is right when it has the question's class. The own patient is out of
    the gallery unless the published protocol is asked for. Captions are no
    question here: they hold the label.
    """
    out: dict[str, Any] = {}
    if len(space.images) < 2:
        return out
    try:
        fields = label_fields(cohort, request)
    except HaikuError as reason:
        if request.labels:
            raise
        return {"skipped": str(reason)}
    for field in fields:
        out[field.name] = {}
        for query, target in (("he", "mif"), ("mif", "he")):
            out[field.name][f"{query}->{target}"] = yield from _measure(
                space, field, query, target, request
            )
    return out


def _measure(
    space: Space, field: LabelField, query: str, target: str, request: EvaluateRequest
) -> Job[dict[str, Figure]]:
    asked = np.flatnonzero(field.known & space.has[query])
    if len(asked) > MAX_QUERIES:
        rng = np.random.default_rng([request.seed, 9])
        asked = np.sort(rng.choice(asked, MAX_QUERIES, replace=False))
    kept = np.flatnonzero(field.known & space.has[target])
    queries, gallery = space.pair(query, target)

    def right(part: slice) -> NDArray[np.bool_]:
        same: NDArray[np.bool_] = field.code[asked[part], None] == field.code[None, kept]
        return same

    def own(part: slice) -> NDArray[np.bool_]:
        same: NDArray[np.bool_] = space.patients[asked[part], None] == space.patients[None, kept]
        return same

    scores = yield from relevance_scores(
        queries[asked],
        gallery[kept],
        right,
        None if request.published else own,
        ks=KS,
        seed=request.seed,
        doing=f"Ranking by {field.name}",
    )
    draw = PatientResampling(space.patients[asked], seed=request.seed, resamples=request.resamples)
    some = scores.right > 0
    chance = RandomOrder(scores.candidates[some], scores.right[some])
    figures = {
        f"R@{k}": draw.mean(np.where(some, scores.rank <= k, np.nan), chance=chance.hit(k))
        for k in KS
    }
    figures |= {f"P@{k}": draw.mean(scores.precision[k], chance=chance.precision()) for k in KS}
    figures["MRR"] = draw.mean(scores.reciprocal, chance=chance.reciprocal())
    figures["nDCG"] = draw.mean(scores.gain, chance=chance.gain())
    figures["mAP"] = draw.mean(scores.average_precision, chance=chance.average_precision())
    return figures
