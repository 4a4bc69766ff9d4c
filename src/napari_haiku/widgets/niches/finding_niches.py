"""Jobs of the Niches dock: finding, splitting and describing niches, off the main thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Progress
from napari_haiku.viewer.niches.atlas_niches import niches_of_atlas
from napari_haiku.viewer.niches.contacts import contacts_of
from napari_haiku.viewer.niches.matching import matching_numbers, renumbered, still_the_same
from napari_haiku.viewer.niches.niche_edits import (
    described,
    named,
    short_names,
)
from napari_haiku.viewer.niches.niche_view import draw_niches

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerResult
    from napari_haiku.analysis.niches.niches import GroupBy, Method, NicheResult
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.jobs import Job
    from napari_haiku.viewer.niches.contacts import Contact
    from napari_haiku.viewer.niches.niche_view import NichePictures


@dataclass(frozen=True)
class Found:
    """Niches and what is drawn of them.

    Parameters
    ----------
    result : NicheResult
        The niches, carrying the numbers of those they match.
    pictures : NichePictures
        Edges and numbers.
    confirmed : frozenset of int
        Niches whose names somebody gave.
    """

    result: NicheResult
    pictures: NichePictures
    confirmed: frozenset[int] = frozenset()


def find(
    encoding: Encoding,
    *,
    clusters: int,
    modality: GroupBy,
    smooth: bool,
    method: Method = "kmeans",
    atlas: Atlas | None = None,
    predicted: BiomarkerResult | None,
    before: NDArray[np.int64] | None,
    kept: Mapping[int, str],
) -> Job[Found]:
    """Find niches; those that match earlier ones keep colours and confirmed names.

    The niches of an atlas carry the atlas's numbers, whatever was there before.

    Parameters
    ----------
    encoding : Encoding
        The slide.
    clusters, modality, smooth, method
        As the dock says.
    atlas : Atlas or None
        Whose niches are wanted; None: the slide's own.
    predicted : BiomarkerResult or None
        What niches are described by where no marker was measured.
    before : ndarray of int64, shape (n,), or None
        Labels in place until now.
    kept : Mapping
        Confirmed names, by niche.
    """
    # Loaded here, in the worker: clustering and statistics take seconds to load.
    from napari_haiku.analysis.niches.niches import NicheRequest, find_niches

    if atlas is not None:
        request = NicheRequest(clusters, modality, smooth=smooth, method=method)
        result = yield from niches_of_atlas(encoding, atlas, request)
        result = named(result, short_names(result.names))
        return Found(result, draw_niches(encoding.grid, result.labels[0]))
    result = yield from find_niches(
        [encoding],
        clusters=clusters,
        modality=modality,
        smooth=smooth,
        method=method,
        predicted=None if predicted is None else [predicted],
    )
    result = named(result, short_names(result.names))
    confirmed: frozenset[int] = frozenset()
    if before is not None and len(before) == len(result.labels[0]):
        result = renumbered(result, matching_numbers(before, result.labels[0]))
        labels = result.labels[0]
        same = {
            niche: name for niche, name in kept.items() if still_the_same(before, labels, niche)
        }
        result = named(result, same)
        confirmed = frozenset(same)
    return Found(result, draw_niches(encoding.grid, result.labels[0]), confirmed)


def recover(
    encoding: Encoding,
    labels: NDArray[np.integer],
    *,
    modality: GroupBy,
    smooth: bool,
    predicted: BiomarkerResult | None,
    kept: Mapping[int, str],
) -> Job[Found]:
    """Put niches of an earlier visit in place: labels and names are kept, figures made anew."""
    import numpy as np

    from napari_haiku.analysis.niches.niche_request import NicheRequest
    from napari_haiku.analysis.niches.niche_result import NicheResult
    from napari_haiku.analysis.niches.niche_slides import encoding_slides

    yield Progress(0, 1, "Bringing the niches back")
    slides = encoding_slides([encoding], modality, None if predicted is None else [predicted])
    numbers = [int(niche) for niche in np.unique(labels) if niche > 0]
    request = NicheRequest(clusters=len(numbers), modality=modality, smooth=smooth)
    result = described(
        NicheResult(
            slides=tuple(slides),
            labels=(np.asarray(labels, np.int64),),
            names=dict.fromkeys(numbers, ""),
            enrichment=_no_table(),
            prototypes={},
            centres=np.zeros((0, 1), np.float32),
            request=request,
        ),
        kept,
    )
    return Found(result, draw_niches(encoding.grid, result.labels[0]), frozenset(kept))


def suggest(encoding: Encoding, modality: GroupBy, *, smooth: bool) -> Job[int | None]:
    """Suggest a number of niches; None where the slide is too small to tell."""
    from napari_haiku.analysis.niches.cluster_number import suggest_number
    from napari_haiku.analysis.niches.grid_smoothing import smooth_over_neighbours, step_between
    from napari_haiku.analysis.niches.niche_slides import encoding_slides

    slides = encoding_slides([encoding], modality)
    vectors, centres = slides[0].vectors, slides[0].centres_um
    if smooth:
        vectors = smooth_over_neighbours(vectors, centres, step_between(centres))
    try:
        number = yield from suggest_number(slides, vectors, "kmeans", seed=0)
    except HaikuError:
        return None
    return number.chosen


def count_contacts(result: NicheResult) -> Job[list[Contact]]:
    """Count which niches touch, against niches scattered over the same patches."""
    from napari_haiku.analysis.niches.neighbourhood import niche_neighbourhood

    found = yield from niche_neighbourhood(result)
    return contacts_of(found)


def describe(result: NicheResult, encoding: Encoding, kept: Mapping[int, str]) -> Found:
    """Compare corrected niches anew and draw their edges."""
    new = described(result, kept)
    return Found(new, draw_niches(encoding.grid, new.labels[0]), frozenset(kept))


def _no_table() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"niche": [], "name": [], "marker": [], "effect": []})
