"""Do the intervals cover the shift that repeats over atlases of the same size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.biomarkers.readout import mean_of_neighbours, niche_means
from napari_haiku.analysis.statistics.intervals import MIN_PATIENTS, Candidates, bootstrap_patients
from napari_haiku.errors import HaikuError
from napari_haiku.evaluation.counterfactual_tables import MIN_PATCHES, TableSettings, widest
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.evaluation.counterfactual_bench import Bench

ATLASES = 30


@dataclass(frozen=True)
class Query:
    """Patches of one patient under the two captions of one edit.

    Parameters
    ----------
    edit : str
        Name of the edit.
    patient : int
        The patient, as a row of the pool's records where it is one of the pool; else -1.
    he : ndarray of float32, shape (n, dim)
        H&E vectors.
    niche : ndarray of int64, shape (n,)
        Niche of each patch.
    texts : ndarray of float32, shape (2, dim)
        The captions.
    """

    edit: str
    patient: int
    he: NDArray[np.float32]
    niche: NDArray[np.int64]
    texts: NDArray[np.float32]


@dataclass(frozen=True)
class Repeats:
    """Shifts and intervals of every query over independent atlases.

    Parameters
    ----------
    shift, low, high : ndarray, shape (queries, atlases, niches, markers)
        In SD.
    atlas_patients : int
        Patients of each atlas.
    disjoint : bool
        Whether no patient is in two atlases.
    """

    shift: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    atlas_patients: int
    disjoint: bool

    @property
    def repeatable(self) -> NDArray[np.float64]:
        """Mean over atlases, (queries, niches, markers); NaN where an atlas has none."""
        mean: NDArray[np.float64] = self.shift.mean(axis=1)
        return mean

    def covered(self) -> NDArray[np.float64]:
        """Share of rows covered by each atlas's intervals, (atlases,)."""
        target = self.repeatable[:, None]
        known = np.isfinite(target) & np.isfinite(self.low) & np.isfinite(self.high)
        inside = known & (self.low <= target) & (target <= self.high)
        rows = known.sum(axis=(0, 2, 3))
        share: NDArray[np.float64] = inside.sum(axis=(0, 2, 3)) / np.where(rows > 0, rows, np.nan)
        return share

    def table(self, queries: Sequence[Query], pool: Bench) -> pd.DataFrame:
        """Lay out as `repeatable.parquet`: one row a query, niche and marker."""
        import pandas as pd

        inside = (self.low <= self.repeatable[:, None]) & (self.repeatable[:, None] <= self.high)
        shape = self.repeatable.shape
        query, niche, marker = (axis.ravel() for axis in np.indices(shape))
        return pd.DataFrame(
            {
                "query": query,
                "edit": np.array([one.edit for one in queries])[query],
                "niche": np.array(pool.niches)[niche],
                "marker": np.array(pool.markers)[marker],
                "repeatable_shift": self.repeatable.ravel(),
                "sd_over_atlases": self.shift.std(axis=1, ddof=1).ravel(),
                "covered": np.where(
                    np.isfinite(self.low).all(axis=1), inside.mean(axis=1), np.nan
                ).ravel(),
                "atlases": self.shift.shape[1],
                "atlas_patients": self.atlas_patients,
            }
        ).dropna(subset=["repeatable_shift"])


def draw_atlases(
    pool: Bench, size: int, seed: int, atlases: int = ATLASES
) -> tuple[list[NDArray[np.int64]], bool]:
    """Draw patients for atlases of one size, none twice where the pool is large enough.

    A smaller pool is taken for the population and drawn from with replacement.
    Without, atlases would be more alike than independent ones (by the root of
    1 - size / patients), and intervals would seem to cover too much.

    Returns
    -------
    list of ndarray
        Patients of each atlas; a patient drawn twice stands there twice.
    bool
        Whether the atlases are disjoint.

    Raises
    ------
    HaikuError
        The pool holds fewer than twice the patients of one atlas.
    """
    rng = np.random.default_rng([seed, 17])
    there = np.unique(pool.patient)
    if len(there) >= atlases * size:
        order = rng.permutation(there)
        return [np.sort(order[n * size : (n + 1) * size]) for n in range(atlases)], True
    if len(there) < 2 * size:
        raise HaikuError(
            f"Atlases of {size} patients cannot be drawn anew from {len(there)}: give a larger "
            "cohort with --fit."
        )
    return [np.sort(rng.choice(there, size)) for _ in range(atlases)], False


def repeat_over_atlases(
    pool: Bench,
    queries: Sequence[Query],
    settings: TableSettings,
    *,
    size: int,
    atlases: int = ATLASES,
) -> Job[Repeats]:
    """Ask fixed queries of many atlases, with the interval that each atlas gives.

    Parameters
    ----------
    pool : Bench
        Patients from which atlases are drawn.
    queries : sequence of Query
        What is asked; a patient's own tissue never answers.
    settings : TableSettings
        Weights, neighbours, resamples, seed.
    size : int
        Patients an atlas.
    atlases : int
        How many.

    Raises
    ------
    HaikuError
        The pool is too small.
    """
    if size < MIN_PATIENTS:
        raise HaikuError(f"Intervals need atlases of at least {MIN_PATIENTS} patients.")
    drawn, disjoint = draw_atlases(pool, size, settings.seed, atlases)
    shape = (len(queries), len(drawn), len(pool.niches), len(pool.markers))
    shift, low, high = (np.full(shape, np.nan) for _ in range(3))
    numbers = tuple(range(len(pool.niches)))
    for number, members in enumerate(drawn):
        yield Progress(number, len(drawn), "Repeating over atlases", "atlases")
        for place, query in enumerate(queries):
            members_here = members[members != query.patient]
            atlas = _laid_beside(pool, members_here)
            wide = widest(query.he, atlas, np.arange(len(atlas.patient)), query.texts, settings)
            before, after = (
                mean_of_neighbours(atlas.values, found[:, : settings.k]) for found in wide
            )
            shift[place, number] = niche_means(after - before, query.niche, numbers, MIN_PATCHES)
            bootstrap = yield from bootstrap_patients(
                Candidates(wide[0], settings.k),
                Candidates(wide[1], settings.k),
                atlas.values,
                atlas.patient,
                query.niche,
                niche_numbers=numbers,
                resamples=settings.interval_resamples,
                seed=settings.seed + number,
            )
            low[place, number], high[place, number] = bootstrap.interval(shift[place, number])
    return Repeats(shift, low, high, size, disjoint)


def _laid_beside(pool: Bench, members: NDArray[np.int64]) -> Bench:
    """Make an atlas of some patients, numbered from 0; one drawn twice is two patients."""
    rows = [np.flatnonzero(pool.patient == one) for one in members]
    kept = np.concatenate(rows)
    return replace(
        pool,
        he=pool.he[kept],
        mif=pool.mif[kept],
        values=pool.values[kept],
        positions_um=pool.positions_um[kept],
        patient=np.repeat(np.arange(len(members)), [len(each) for each in rows]),
        niche=pool.niche[kept],
    )
