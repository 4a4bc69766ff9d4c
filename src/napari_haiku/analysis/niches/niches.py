"""Niches: patches of one slide or many, grouped by what they look like."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_haiku.analysis.counterfactual.result_tables import (
    output_folder,
    write_csv,
    write_parquet,
)
from napari_haiku.analysis.niches.grid_smoothing import smooth_over_neighbours, step_between
from napari_haiku.analysis.niches.nearest_centroid import assign_to_nearest
from napari_haiku.analysis.niches.niche_enrichment import CAUTION, enrichment_table, suggest_names
from napari_haiku.analysis.niches.niche_slides import NicheSlide, atlas_slides, encoding_slides
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress
from napari_haiku.markers import MARKER_GROUPS
from napari_haiku.notices import RESEARCH_USE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerResult
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding

GroupBy = Literal["he", "mif", "both"]
_FIT_ON = 100_000
_PROTOTYPES = 3


@dataclass(frozen=True)
class NicheRequest:
    """How to group patches.

    Parameters
    ----------
    clusters : int
        Number of niches.
    modality : {"he", "mif", "both"}
        What makes two patches alike.
    seed : int
        Seed of the starting points.
    restarts : int
        How often the grouping starts anew; the tightest one is kept.
    smooth : bool
        Whether each patch also listens to its eight neighbours.
    """

    clusters: int = 4
    modality: GroupBy = "he"
    seed: int = 0
    restarts: int = 10
    smooth: bool = False

    def __post_init__(self) -> None:
        if self.clusters < 1:
            raise HaikuError(f"The number of niches must be at least 1, not {self.clusters}.")
        if self.restarts < 1:
            raise HaikuError(f"The number of restarts must be at least 1, not {self.restarts}.")


@dataclass(frozen=True)
class NicheLabels:
    """The niches of one slide.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Niche of each patch, from 1; 0 belongs to none.
    names : dict of int to str
        Name of each niche.
    """

    labels: NDArray[np.int64]
    names: dict[int, str]


@dataclass(frozen=True)
class NicheResult:
    """Niches of one or several slides, numbered alike in all of them.

    Parameters
    ----------
    slides : tuple of NicheSlide
        What was grouped.
    labels : tuple of ndarray of int64, shape (n,)
        Niche of each patch of each slide, from 1, the largest niche first.
    names : dict of int to str
        Suggested names.
    enrichment : DataFrame
        Markers of each niche against the rest; empty where no marker is known.
    prototypes : dict of int to tuple of (int, int)
        Slide and patch of the three patches nearest to each niche's centre.
    centres : ndarray of float32, shape (niches, dim)
        Mean vector of each niche.
    request : NicheRequest
        How they were made.
    """

    slides: tuple[NicheSlide, ...]
    labels: tuple[NDArray[np.int64], ...]
    names: dict[int, str]
    enrichment: pd.DataFrame
    prototypes: dict[int, tuple[tuple[int, int], ...]]
    centres: NDArray[np.float32]
    request: NicheRequest

    @property
    def niches(self) -> tuple[int, ...]:
        """Niche numbers, the largest first."""
        return tuple(self.names)

    @property
    def sizes(self) -> dict[int, int]:
        """Patches of each niche over all slides."""
        together = np.concatenate(self.labels)
        return {niche: int((together == niche).sum()) for niche in self.niches}

    @property
    def composition(self) -> NDArray[np.float64]:
        """Share of each niche on each slide, shape (slides, niches)."""
        return np.array(
            [[float((own == niche).mean()) for niche in self.niches] for own in self.labels]
        )

    def of(self, slide: int = 0) -> NicheLabels:
        """Give the niches of one slide."""
        return NicheLabels(self.labels[slide], dict(self.names))

    def table(self) -> pd.DataFrame:
        """One row a patch: `patch, x_um, y_um, niche, name`, and `slide` when there are several.

        Slides are numbered from 1 in the order in which they were given.
        """
        import pandas as pd

        parts = []
        for number, (slide, own) in enumerate(zip(self.slides, self.labels, strict=True), 1):
            part = pd.DataFrame(
                {
                    "patch": slide.patches,
                    "x_um": slide.centres_um[:, 0],
                    "y_um": slide.centres_um[:, 1],
                    "niche": own,
                    "name": [self.names[int(niche)] for niche in own],
                }
            )
            if len(self.slides) > 1:
                part["slide"] = number
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def save(self, output: Path) -> None:
        """Write `niches.parquet` and `enrichment.csv` into a folder."""
        folder = output_folder(output)
        notes = {
            "clusters": self.request.clusters,
            "modality": self.request.modality,
            "seed": self.request.seed,
            "restarts": self.request.restarts,
            "smooth": self.request.smooth,
            "caution": CAUTION,
            "notice": RESEARCH_USE,
        }
        write_parquet(folder / "niches.parquet", self.table(), notes)
        write_csv(folder / "enrichment.csv", self.enrichment)


def find_niches(
    encodings: Sequence[Encoding],
    *,
    clusters: int = 4,
    modality: GroupBy = "he",
    seed: int = 0,
    smooth: bool = False,
    restarts: int = 10,
    predicted: Sequence[BiomarkerResult | None] | None = None,
) -> Job[NicheResult]:
    """Group the patches of one or several slides by k-means.

    Parameters
    ----------
    encodings : sequence of Encoding
        Slides, encoded with one model.
    clusters, modality, seed, smooth, restarts
        See :class:`NicheRequest`.
    predicted : sequence of BiomarkerResult, optional
        Predictions for all patches of slides that measured no marker, one a
        slide or None; niches are named and compared by them.

    Raises
    ------
    HaikuError
        No slide, a slide without the modality asked for, slides of different
        models, or fewer patches (or fewer different ones) than niches.
    """
    request = NicheRequest(clusters, modality, seed, restarts, smooth)
    slides = encoding_slides(encodings, modality, predicted)
    return (yield from _group(slides, request))


def find_atlas_niches(
    atlas: Atlas,
    *,
    clusters: int = 4,
    modality: GroupBy = "he",
    seed: int = 0,
    smooth: bool = False,
    restarts: int = 10,
) -> Job[NicheResult]:
    """Group all patches of an atlas by k-means; see :func:`find_niches`."""
    request = NicheRequest(clusters, modality, seed, restarts, smooth)
    return (yield from _group(atlas_slides(atlas, modality), request))


def _group(slides: Sequence[NicheSlide], request: NicheRequest) -> Job[NicheResult]:
    n_patches = sum(len(slide.vectors) for slide in slides)
    if n_patches < request.clusters:
        raise HaikuError(
            f"There are {n_patches} patches, too few for {request.clusters} niches: "
            "choose fewer niches or encode more tissue."
        )
    together = np.concatenate(
        [
            smooth_over_neighbours(slide.vectors, slide.centres_um, step_between(slide.centres_um))
            if request.smooth
            else np.asarray(slide.vectors, np.float32)
            for slide in slides
        ]
    )
    centres = yield from _tightest_centres(together, request)
    nearest = assign_to_nearest(together, centres)
    order = np.argsort(-np.bincount(nearest, minlength=len(centres)), kind="stable")
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(1, len(order) + 1)
    labels = number[nearest]
    niches = tuple(range(1, len(order) + 1))
    enrichment, names = _describe(slides, labels, niches)
    bounds = np.cumsum([0, *(len(slide.vectors) for slide in slides)])
    centres = centres[order]
    return NicheResult(
        slides=tuple(slides),
        labels=tuple(labels[a:b] for a, b in itertools.pairwise(bounds)),
        names=names,
        enrichment=enrichment,
        prototypes=_prototypes(together, labels, centres, bounds),
        centres=centres,
        request=request,
    )


def _tightest_centres(vectors: NDArray[np.float32], request: NicheRequest) -> Job[NDArray[Any]]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    fitted_on = vectors
    if len(vectors) > _FIT_ON:
        rng = np.random.default_rng(request.seed)
        fitted_on = vectors[np.sort(rng.choice(len(vectors), _FIT_ON, replace=False))]
    best: Any = None
    for restart in range(request.restarts):
        yield Progress(restart, request.restarts, "Grouping", "restarts")
        means = KMeans(request.clusters, n_init=1, random_state=request.seed + restart)
        # One thread: the order in which threads add up would change the last digit.
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore", ConvergenceWarning)
            means.fit(fitted_on)
        if best is None or means.inertia_ < best.inertia_:
            best = means
    if len(np.unique(best.labels_)) < request.clusters:
        raise HaikuError(
            f"The patches are of only {len(np.unique(best.labels_))} different kinds, too few for "
            f"{request.clusters} niches: choose fewer niches."
        )
    return np.asarray(best.cluster_centers_, np.float32)


def _describe(
    slides: Sequence[NicheSlide], labels: NDArray[np.int64], niches: Sequence[int]
) -> tuple[pd.DataFrame, dict[int, str]]:
    markers = tuple(dict.fromkeys(marker for slide in slides for marker in slide.markers))
    values = np.full((len(labels), len(markers)), np.nan, np.float32)
    start = 0
    for slide in slides:
        stop = start + len(slide.vectors)
        if slide.expression is not None:
            columns = [markers.index(marker) for marker in slide.markers]
            values[start:stop, columns] = slide.expression
        start = stop
    table = enrichment_table(labels, values, markers, niches)
    names = suggest_names(table, niches, MARKER_GROUPS)
    table["name"] = [names[int(niche)] for niche in table["niche"]]
    return table, names


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


def read_niches(path: Path, centres_um: NDArray[Any]) -> NicheLabels:
    """Read the niches of one slide from what :meth:`NicheResult.save` left.

    Parameters
    ----------
    path : Path
        The folder, or its `niches.parquet`.
    centres_um : ndarray, shape (n, 2)
        Patch centres of the slide they are meant for.

    Raises
    ------
    HaikuError
        There is no such table, or it belongs to other patches.
    """
    import pandas as pd

    path = path / "niches.parquet" if path.is_dir() else path
    try:
        table = pd.read_parquet(path)
        places = table[["x_um", "y_um"]].to_numpy(np.float64)
        labels = table["niche"].to_numpy(np.int64)
        named = table["name"] if "name" in table else [f"Niche {niche}" for niche in labels]
    except FileNotFoundError as error:
        raise HaikuError(f"{path.name} does not exist: find niches first.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HaikuError(
            f"{path.name} is no table of niches: make it with 'napari-haiku niches'."
        ) from error
    if places.shape != centres_um.shape or not np.allclose(places, centres_um, atol=0.01):
        raise HaikuError(
            f"{path.name} holds niches of other patches than this encoding's: "
            "find niches for this encoding."
        )
    names = {int(niche): str(name) for niche, name in zip(labels, named, strict=True)}
    return NicheLabels(labels, dict(sorted(names.items())))
