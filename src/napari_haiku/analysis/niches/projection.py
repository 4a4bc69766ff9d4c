"""Projection: the patches of one slide or many as points on a plane, alike ones together."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_haiku.analysis.counterfactual.result_tables import output_folder, write_parquet
from napari_haiku.analysis.niches.niche_slides import NicheSlide, atlas_slides, encoding_slides
from napari_haiku.analysis.niches.umap_map import fit_map, place_beside, principal_components
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress
from napari_haiku.notices import RESEARCH_USE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.niches.niches import GroupBy
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding

Repeat = Literal["exact", "fast"]
MIN_PATCHES = 10
CAUTION = (
    "Only who lies beside whom can be read from this map; distances between groups, their size "
    "and their shape are the method's."
)
_PLACED_BY = 8


@dataclass(frozen=True)
class ProjectionRequest:
    """How to lay patches out on a plane.

    Parameters
    ----------
    modality : {"he", "mif", "both"}
        What makes two patches alike.
    repeat : {"exact", "fast"}
        Whether the same seed gives the same map to the last bit, on one core,
        or all cores work and chance decides.
    seed : int
        Seed of the sample and, for an exact repeat, of the map.
    neighbours : int
        How many neighbours each patch holds on to: few show detail, many the
        whole.
    min_dist : float
        How close points may come.
    components : int
        Principal components that UMAP sees.
    fit_on : int
        Patches that the map is fitted on, drawn evenly over the slides; the
        others are placed beside their nearest neighbours among them.
    """

    modality: GroupBy = "he"
    repeat: Repeat = "exact"
    seed: int = 0
    neighbours: int = 15
    min_dist: float = 0.1
    components: int = 50
    fit_on: int = 20_000

    def __post_init__(self) -> None:
        if self.repeat not in ("exact", "fast"):
            raise HaikuError(f"A map repeats exact or fast, not {self.repeat!r}.")
        if self.neighbours < 2:
            raise HaikuError(f"The number of neighbours must be at least 2, not {self.neighbours}.")
        if self.components < 1 or self.seed < 0:
            raise HaikuError("A map needs at least one component and a seed of 0 or more.")
        if not 0 <= self.min_dist <= 1:
            raise HaikuError(
                f"The least distance on the map must be between 0 and 1, not {self.min_dist:g}."
            )
        if self.fit_on < MIN_PATCHES:
            raise HaikuError(
                f"A map must be fitted on at least {MIN_PATCHES} patches, not {self.fit_on}."
            )


@dataclass(frozen=True)
class ProjectionResult:
    """Where each patch lies on the map.

    Parameters
    ----------
    slides : tuple of NicheSlide
        What was laid out.
    points : ndarray of float32, shape (n, 2)
        Places of the patches of all slides, one slide after the other. NaN
        for a patch without a vector.
    fitted : ndarray of bool, shape (n,)
        Patches that the map was fitted on; the others were placed.
    request : ProjectionRequest
        How it was made.
    """

    slides: tuple[NicheSlide, ...]
    points: NDArray[np.float32]
    fitted: NDArray[np.bool_]
    request: ProjectionRequest

    def __len__(self) -> int:
        return len(self.points)

    def of(self, slide: int = 0) -> NDArray[np.float32]:
        """Give the places of one slide's patches, shape (n, 2)."""
        bounds = _bounds(self.slides)
        return self.points[bounds[slide] : bounds[slide + 1]]

    def table(self) -> pd.DataFrame:
        """One row a patch: `patch, x_um, y_um, u, v, fitted`, and `slide` when there are several.

        Slides are numbered from 1 in the order in which they were given.
        """
        import pandas as pd

        parts = []
        for number, (a, b) in enumerate(itertools.pairwise(_bounds(self.slides)), 1):
            slide = self.slides[number - 1]
            part = pd.DataFrame(
                {
                    "patch": slide.patches,
                    "x_um": slide.centres_um[:, 0],
                    "y_um": slide.centres_um[:, 1],
                    "u": self.points[a:b, 0],
                    "v": self.points[a:b, 1],
                    "fitted": self.fitted[a:b],
                }
            )
            if len(self.slides) > 1:
                part["slide"] = number
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def save(self, output: Path) -> None:
        """Write `projection.parquet` into a folder."""
        folder = output_folder(output)
        notes: dict[str, Any] = {
            name: getattr(self.request, name) for name in self.request.__dataclass_fields__
        }
        notes |= {"caution": CAUTION, "notice": RESEARCH_USE}
        write_parquet(folder / "projection.parquet", self.table(), notes)


def project_encodings(
    encodings: Sequence[Encoding], request: ProjectionRequest | None = None
) -> Job[ProjectionResult]:
    """Lay the patches of one or several slides out on a plane by UMAP.

    Parameters
    ----------
    encodings : sequence of Encoding
        Slides, encoded with one model.
    request : ProjectionRequest, optional
        Settings.

    Returns
    -------
    ProjectionResult

    Raises
    ------
    HaikuError
        No slide, a slide without the modality asked for, slides of different
        models, or fewer than ten patches.
    """
    request = request or ProjectionRequest()
    return (yield from project_slides(encoding_slides(encodings, request.modality), request))


def project_atlas(atlas: Atlas, request: ProjectionRequest | None = None) -> Job[ProjectionResult]:
    """Lay all patches of an atlas out on a plane; see :func:`project_encodings`."""
    request = request or ProjectionRequest()
    return (yield from project_slides(atlas_slides(atlas, request.modality), request))


def project_slides(
    slides: Sequence[NicheSlide], request: ProjectionRequest
) -> Job[ProjectionResult]:
    """Lay out vectors that are at hand; see :func:`project_encodings`."""
    bounds = _bounds(slides)
    vectors = np.concatenate([np.asarray(slide.vectors, np.float32) for slide in slides])
    there = np.isfinite(vectors).all(axis=1) & (vectors != 0).any(axis=1)
    if there.sum() < MIN_PATCHES:
        raise HaikuError(
            f"There are {there.sum()} patches, too few for a map: it needs at least {MIN_PATCHES}."
        )
    rows = _even_sample(there, bounds, request.fit_on, request.seed)
    yield Progress(0, len(vectors), "Finding the main directions")
    exact = request.repeat == "exact"
    with _threads(1 if exact else None):
        kept = np.flatnonzero(there)
        in_kept = np.searchsorted(kept, rows)
        flat = principal_components(vectors[kept], in_kept, request.components)
        if not np.ptp(flat[in_kept], axis=0).any():
            raise HaikuError("The patches are all the same, so there is nothing to lay out.")
        laid = yield from fit_map(
            flat[in_kept],
            neighbours=request.neighbours,
            min_dist=request.min_dist,
            seed=request.seed if exact else None,
        )
        points = np.full((len(vectors), 2), np.nan, np.float32)
        points[rows] = laid
        fitted = np.zeros(len(vectors), bool)
        fitted[rows] = True
        others = np.flatnonzero(~fitted[kept])
        if len(others):
            points[kept[others]] = yield from place_beside(
                flat[others], flat[in_kept], laid, neighbours=_PLACED_BY
            )
    return ProjectionResult(tuple(slides), points, fitted, request)


def _bounds(slides: Sequence[NicheSlide]) -> NDArray[np.int64]:
    return np.cumsum([0, *(len(slide.vectors) for slide in slides)])


def _even_sample(
    there: NDArray[np.bool_], bounds: NDArray[np.int64], size: int, seed: int
) -> NDArray[np.int64]:
    """Draw rows so that every slide is there: small ones whole, large ones alike."""
    rows = np.flatnonzero(there)
    if len(rows) <= size:
        return rows
    slide = np.searchsorted(bounds, rows, side="right") - 1
    rng = np.random.default_rng(seed)
    # Rows in the order in which their slide would give them up: all slides give their first
    # before any gives its second.
    shuffled = rng.permutation(len(rows))
    turn = np.empty(len(rows), np.int64)
    for number in np.unique(slide):
        own = shuffled[slide[shuffled] == number]
        turn[own] = np.arange(len(own))
    order = np.lexsort((rng.random(len(rows)), turn))
    return np.sort(rows[order[:size]])


@contextmanager
def _threads(limit: int | None) -> Iterator[None]:
    """Hold the products of matrices to so many threads; the order of sums then repeats."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    try:
        with threadpool_limits(limit):
            if limit is not None:
                torch.set_num_threads(limit)
            yield
    finally:
        torch.set_num_threads(before)
