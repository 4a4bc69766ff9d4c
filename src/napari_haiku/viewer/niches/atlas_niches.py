"""The niches of a whole atlas, found once and read off for the slide in view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.niches.niche_request import NicheRequest
    from napari_haiku.analysis.niches.niche_result import NicheResult
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.jobs import Job

_PROTOTYPES = 3


@dataclass(frozen=True, eq=False)
class AtlasNiches:
    """What is kept of an atlas's niches: enough to sort the patches of any slide.

    Parameters
    ----------
    centres : ndarray of float32, shape (niches, dim)
        Mean vector of each, niche 1 first.
    names : dict of int to str
        Suggested names.
    enrichment : DataFrame
        Markers of each niche against the rest of the atlas.
    """

    centres: NDArray[np.float32]
    names: dict[int, str]
    enrichment: pd.DataFrame


_found: WeakKeyDictionary[Atlas, dict[NicheRequest, AtlasNiches]] = WeakKeyDictionary()


def niches_of_atlas(encoding: Encoding, atlas: Atlas, request: NicheRequest) -> Job[NicheResult]:
    """Give the niches of an atlas on one slide: same numbers, colours and names on every slide.

    The patches of the atlas are grouped, once per atlas and request; each patch
    of the slide belongs to the niche whose centre is nearest. Niches that the
    slide has no patch of are left out.

    Raises
    ------
    HaikuError
        Slide and atlas were made with different models, or one of them lacks
        what the patches are to be grouped by.
    """
    from napari_haiku.analysis.niches.grid_smoothing import smooth_over_neighbours, step_between
    from napari_haiku.analysis.niches.nearest_centroid import assign_to_nearest
    from napari_haiku.analysis.niches.niche_result import NicheResult
    from napari_haiku.analysis.niches.niche_slides import encoding_slides

    encoding.check_model(atlas.model_fingerprint)
    (slide,) = encoding_slides([encoding], request.modality)
    known = _found.setdefault(atlas, {})
    if request not in known:
        known[request] = yield from _group(atlas, request)
    niches = known[request]
    vectors = np.asarray(slide.vectors, np.float32)
    if request.smooth:
        step = step_between(slide.centres_um)
        vectors = smooth_over_neighbours(slide.vectors, slide.centres_um, step)
    labels = assign_to_nearest(vectors, niches.centres) + 1
    present = [int(niche) for niche in np.unique(labels) if niche > 0]
    table = niches.enrichment
    return NicheResult(
        slides=(slide,),
        labels=(labels,),
        names={niche: niches.names[niche] for niche in present},
        enrichment=table[table["niche"].isin(present)].reset_index(drop=True),
        prototypes={
            niche: _nearest(vectors, labels, niche, niches.centres[niche - 1]) for niche in present
        },
        centres=niches.centres[[niche - 1 for niche in present]],
        request=request,
    )


def _group(atlas: Atlas, request: NicheRequest) -> Job[AtlasNiches]:
    from napari_haiku.analysis.niches.niche_slides import atlas_slides
    from napari_haiku.analysis.niches.niches import group_slides

    result = yield from group_slides(atlas_slides(atlas, request.modality), request)
    return AtlasNiches(result.centres, dict(result.names), result.enrichment)


def _nearest(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    niche: int,
    centre: NDArray[np.float32],
) -> tuple[tuple[int, int], ...]:
    members = np.flatnonzero(labels == niche)
    distance = ((vectors[members] - centre) ** 2).sum(axis=1)
    return tuple(
        (0, int(row)) for row in members[np.argsort(distance, kind="stable")[:_PROTOTYPES]]
    )
