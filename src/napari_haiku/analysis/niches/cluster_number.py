"""How many niches: the number that comes out alike in separate parts of the tissue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.niches.grouping import group_vectors, sample_rows
from napari_haiku.analysis.niches.nearest_centroid import assign_to_nearest
from napari_haiku.analysis.niches.umap_map import principal_components
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.niches.niche_request import Method
    from napari_haiku.analysis.niches.niche_slides import NicheSlide

CANDIDATES = tuple(range(2, 11))
STABLE = 0.6
_DRAWS = 6
_RESTARTS = 2
_BLOCK_UM = 500.0
_LEAST_GROUPS = 6
_LEAST_PATCHES = 40
_COMPONENTS = 30
_FIT_ON = 6_000
_ASKED = 4_000


@dataclass(frozen=True)
class ClusterNumber:
    """How alike the niches of separate parts of the tissue are, for each number of them.

    Parameters
    ----------
    candidates : tuple of int
        Numbers of niches that were tried.
    stability : tuple of float
        Mean adjusted Rand index between the niches found on one half and on
        the other, over random halves.
    error : tuple of float
        Standard error of that mean.
    chosen : int
        The largest number within one standard error of the best.
    halves_of : str
        What the halves were made of: slides, squares of tissue, or patches.
    """

    candidates: tuple[int, ...]
    stability: tuple[float, ...]
    error: tuple[float, ...]
    chosen: int
    halves_of: str

    @property
    def note(self) -> str:
        """A sentence where no number is stable, else ""."""
        best = max(self.stability)
        if best >= STABLE:
            return ""
        return (
            "No number of niches comes out alike in separate parts of this tissue (best adjusted "
            f"Rand index {best:.2f}): it changes gradually, and where one niche ends is a choice."
        )

    def table(self) -> pd.DataFrame:
        """One row a number of niches: `clusters, stability, error, chosen`."""
        import pandas as pd

        return pd.DataFrame(
            {
                "clusters": self.candidates,
                "stability": self.stability,
                "error": self.error,
                "chosen": [k == self.chosen for k in self.candidates],
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        return {
            "chosen": self.chosen,
            "halves_of": self.halves_of,
            "adjusted_rand": {
                str(k): round(value, 4)
                for k, value in zip(self.candidates, self.stability, strict=True)
            },
            "note": self.note,
        }


def suggest_number(
    slides: Sequence[NicheSlide],
    vectors: NDArray[np.float32],
    method: Method,
    *,
    seed: int,
    candidates: Sequence[int] = CANDIDATES,
) -> Job[ClusterNumber]:
    """Suggest a number of niches by how well they are found again.

    The tissue is halved at random, each half is grouped alone, and all patches
    are sorted by the one and by the other; the adjusted Rand index says how
    alike the two are, whatever the numbers of the niches. Halves are made of
    whole slides where there are six or more, else of squares of 500 um:
    neighbouring patches are alike, and halves that share them would agree on
    anything.

    Parameters
    ----------
    slides : sequence of NicheSlide
        Where the patches lie.
    vectors : ndarray of float32, shape (n, dim)
        What they are grouped by, slide after slide.
    method : {"kmeans", "gaussian"}
        How they will be grouped.
    seed : int
        Seed of the halves.
    candidates : sequence of int
        Numbers to try.

    Raises
    ------
    HaikuError
        Too few patches to be halved.
    """
    if len(vectors) < _LEAST_PATCHES:
        raise HaikuError(
            f"There are {len(vectors)} patches, too few to suggest a number of niches: "
            "give the number."
        )
    unit, halves_of = _units(slides)
    with _one_thread():
        flat = principal_components(
            vectors, sample_rows(len(vectors), 10 * _FIT_ON, seed), _COMPONENTS
        )
    tried = [k for k in candidates if 4 * k <= len(vectors)]
    scores = np.full((len(tried), _DRAWS), np.nan)
    for draw in range(_DRAWS):
        rng = np.random.default_rng([seed, draw])
        first = rng.permutation(int(unit.max()) + 1) < (int(unit.max()) + 1) // 2
        asked = flat[np.sort(rng.permutation(len(flat))[:_ASKED])]
        halves = [
            flat[np.sort(rng.permutation(np.flatnonzero(first[unit] == side))[:_FIT_ON])]
            for side in (True, False)
        ]
        for place, k in enumerate(tried):
            yield Progress(
                draw * len(tried) + place, _DRAWS * len(tried), "Trying numbers of niches", "trials"
            )
            scores[place, draw] = yield from _agreement(halves, asked, method, k, seed + draw)
    known = np.isfinite(scores).sum(axis=1) >= 2
    if not known.any():
        raise HaikuError(
            "No number of niches could be tried on halves of this tissue: give the number."
        )
    kept = np.flatnonzero(known)
    mean = np.nanmean(scores[kept], axis=1)
    count = np.isfinite(scores[kept]).sum(axis=1)
    error = np.nanstd(scores[kept], axis=1, ddof=1) / np.sqrt(count)
    best = int(mean.argmax())
    chosen = int(np.flatnonzero(mean >= mean[best] - error[best]).max())
    return ClusterNumber(
        candidates=tuple(tried[place] for place in kept),
        stability=tuple(mean.tolist()),
        error=tuple(error.tolist()),
        chosen=tried[kept[chosen]],
        halves_of=halves_of,
    )


def _agreement(
    halves: Sequence[NDArray[np.float32]],
    asked: NDArray[np.float32],
    method: Method,
    k: int,
    seed: int,
) -> Job[float]:
    from sklearn.metrics import adjusted_rand_score

    if min(len(half) for half in halves) < 2 * k:
        return float("nan")
    sorted_by = []
    for half in halves:
        work = group_vectors(half, method, k, seed=seed, restarts=_RESTARTS, resolution=1.0)
        try:
            # The steps within a trial are too small to report.
            while True:
                next(work)
        except StopIteration as done:
            sorted_by.append(assign_to_nearest(asked, done.value.centres))
        except HaikuError:
            return float("nan")
    yield from ()
    return float(adjusted_rand_score(*sorted_by))


def _units(slides: Sequence[NicheSlide]) -> tuple[NDArray[np.int64], str]:
    """Give each patch the number of what stays together when the tissue is halved."""
    sizes = [len(slide.vectors) for slide in slides]
    slide = np.repeat(np.arange(len(slides)), sizes)
    if len(slides) >= _LEAST_GROUPS:
        return slide, "slides"
    cells = np.floor(np.concatenate([each.centres_um for each in slides]) / _BLOCK_UM)
    _, block = np.unique(np.column_stack([slide, cells]), axis=0, return_inverse=True)
    if block.max() + 1 >= _LEAST_GROUPS:
        return block.ravel().astype(np.int64), "squares of 500 um"
    return np.arange(sum(sizes)), "patches"


def _one_thread() -> Any:
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
