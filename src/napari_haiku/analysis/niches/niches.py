"""Niches: patches of one slide or many, grouped by what they look like."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_haiku.analysis.niches.cluster_number import ClusterNumber, suggest_number
from napari_haiku.analysis.niches.grid_smoothing import smooth_over_neighbours, step_between
from napari_haiku.analysis.niches.grouping import group_vectors
from napari_haiku.analysis.niches.niche_enrichment import (
    enrichment_table,
    suggest_names,
    with_patients,
)
from napari_haiku.analysis.niches.niche_request import (
    CLUSTERS,
    METHOD,
    SMOOTH,
    GroupBy,
    Method,
    NicheRequest,
    usual_modality,
)
from napari_haiku.analysis.niches.niche_result import NicheLabels, NicheResult, read_niches
from napari_haiku.analysis.niches.niche_slides import (
    NicheSlide,
    atlas_modalities,
    atlas_slides,
    encoding_slides,
)
from napari_haiku.markers import MARKER_GROUPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerResult
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.jobs import Job

__all__ = [
    "GroupBy",
    "Method",
    "NicheLabels",
    "NicheRequest",
    "NicheResult",
    "find_atlas_niches",
    "find_niches",
    "read_niches",
]

_PROTOTYPES = 3


def find_niches(
    encodings: Sequence[Encoding],
    *,
    clusters: int | Literal["auto"] = CLUSTERS,
    modality: GroupBy | None = None,
    seed: int = 0,
    smooth: bool = SMOOTH,
    restarts: int = 10,
    method: Method = METHOD,
    resolution: float = 1.0,
    predicted: Sequence[BiomarkerResult | None] | None = None,
) -> Job[NicheResult]:
    """Group the patches of one or several slides.

    Parameters
    ----------
    encodings : sequence of Encoding
        Slides, encoded with one model.
    clusters, modality, seed, smooth, restarts, method, resolution
        See :class:`NicheRequest`; without a modality, everything that all slides have.
    predicted : sequence of BiomarkerResult, optional
        Predictions for all patches of slides that measured no marker, one a
        slide or None; niches are named and compared by them.

    Raises
    ------
    HaikuError
        No slide, a slide without the modality asked for, slides of different
        models, or fewer patches (or fewer different ones) than niches.
    """
    modality = modality or usual_modality([one.modalities for one in encodings] or [()])
    request = NicheRequest(clusters, modality, seed, restarts, smooth, method, resolution)
    slides = encoding_slides(encodings, modality, predicted)
    return (yield from group_slides(slides, request))


def find_atlas_niches(
    atlas: Atlas,
    *,
    clusters: int | Literal["auto"] = CLUSTERS,
    modality: GroupBy | None = None,
    seed: int = 0,
    smooth: bool = SMOOTH,
    restarts: int = 10,
    method: Method = METHOD,
    resolution: float = 1.0,
) -> Job[NicheResult]:
    """Group all patches of an atlas; see :func:`find_niches`."""
    modality = modality or usual_modality([atlas_modalities(atlas)])
    request = NicheRequest(clusters, modality, seed, restarts, smooth, method, resolution)
    return (yield from group_slides(atlas_slides(atlas, modality), request))


def group_slides(slides: Sequence[NicheSlide], request: NicheRequest) -> Job[NicheResult]:
    """Group vectors that are at hand; see :func:`find_niches`."""
    together = np.concatenate(
        [
            smooth_over_neighbours(slide.vectors, slide.centres_um, step_between(slide.centres_um))
            if request.smooth
            else np.asarray(slide.vectors, np.float32)
            for slide in slides
        ]
    )
    number: ClusterNumber | None = None
    clusters = request.clusters
    if clusters == "auto":
        if request.method == "leiden":
            clusters = 1
        else:
            number = yield from suggest_number(slides, together, request.method, seed=request.seed)
            clusters = number.chosen
    grouping = yield from group_vectors(
        together,
        request.method,
        clusters,
        seed=request.seed,
        restarts=request.restarts,
        resolution=request.resolution,
    )
    there = grouping.places >= 0
    sizes = np.bincount(grouping.places[there], minlength=len(grouping.centres))
    order = np.argsort(-sizes, kind="stable")
    # The last place is that of patches without a vector.
    numbers = np.zeros(len(order) + 1, np.int64)
    numbers[order] = np.arange(1, len(order) + 1)
    labels = numbers[grouping.places]
    niches = tuple(range(1, len(order) + 1))
    bounds = np.cumsum([0, *(len(slide.vectors) for slide in slides)])
    enrichment, names = _describe(slides, labels, bounds, niches)
    centres = grouping.centres[order]
    certainty = None
    if grouping.certainty is not None:
        certainty = tuple(_cut(grouping.certainty, bounds))
    return NicheResult(
        slides=tuple(slides),
        labels=tuple(_cut(labels, bounds)),
        names=names,
        enrichment=enrichment,
        prototypes=_prototypes(together, labels, centres, bounds),
        centres=centres,
        request=request,
        certainty=certainty,
        number=number,
    )


def _cut(column: NDArray[Any], bounds: NDArray[np.int64]) -> list[NDArray[Any]]:
    return [column[a:b] for a, b in itertools.pairwise(bounds)]


def _describe(
    slides: Sequence[NicheSlide],
    labels: NDArray[np.int64],
    bounds: NDArray[np.int64],
    niches: Sequence[int],
) -> tuple[pd.DataFrame, dict[int, str]]:
    markers = tuple(dict.fromkeys(marker for slide in slides for marker in slide.markers))
    values = np.full((len(labels), len(markers)), np.nan, np.float32)
    for slide, (start, stop) in zip(slides, itertools.pairwise(bounds), strict=True):
        if slide.expression is not None:
            columns = [markers.index(marker) for marker in slide.markers]
            values[start:stop, columns] = slide.expression
    table = enrichment_table(labels, values, markers, niches)
    names = suggest_names(table, niches, MARKER_GROUPS)
    table["name"] = [names[int(niche)] for niche in table["niche"]]
    _, patient = np.unique([slide.patient for slide in slides], return_inverse=True)
    of_patch = np.repeat(patient.ravel(), np.diff(bounds))
    return with_patients(table, labels, values, markers, of_patch), names


def _prototypes(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    centres: NDArray[np.float32],
    bounds: NDArray[np.int64],
) -> dict[int, tuple[tuple[int, int], ...]]:
    found: dict[int, tuple[tuple[int, int], ...]] = {}
    for place, centre in enumerate(centres):
        members = np.flatnonzero(labels == place + 1)
        distance = ((vectors[members] - centre) ** 2).sum(axis=1)
        nearest = members[np.argsort(distance, kind="stable")[:_PROTOTYPES]]
        slide = np.searchsorted(bounds, nearest, side="right") - 1
        found[place + 1] = tuple(
            (int(s), int(row - bounds[s])) for s, row in zip(slide, nearest, strict=True)
        )
    return found
