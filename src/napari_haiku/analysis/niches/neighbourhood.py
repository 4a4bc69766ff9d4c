"""Which niches lie beside which, against niches scattered over the same places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.counterfactual.result_tables import write_csv
from napari_haiku.analysis.niches.grid_smoothing import grid_pairs, step_between
from napari_haiku.analysis.statistics.multiple_testing import benjamini_hochberg
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.analysis.niches.niche_result import NicheResult

CAUTION = (
    "z, p and q compare with the same niches scattered at random over each slide's patches; "
    "tissue is never scattered, so a niche lies beside itself more than that almost always, and "
    "p is about these slides alone."
)
_AT_ONCE = 50


@dataclass(frozen=True)
class Neighbourhood:
    """How often each niche lies beside each.

    Parameters
    ----------
    niches : tuple of int
        Niches in the order of the tables.
    names : dict of int to str
        Their names.
    contacts : ndarray of int64, shape (niches, niches)
        Neighbouring pairs, counted from both sides.
    expected, z, p, q : ndarray of float64, shape (niches, niches)
        Mean over permutations, distance from it in their SD, two-sided rank p
        (Monte Carlo, never zero), and Benjamini and Hochberg's q over the pairs
        of niches. NaN where permutations do not vary.
    permutations, seed : int
        How many, and their seed.
    """

    niches: tuple[int, ...]
    names: dict[int, str]
    contacts: NDArray[np.int64]
    expected: NDArray[np.float64]
    z: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    permutations: int
    seed: int

    def table(self) -> pd.DataFrame:
        """One row a pair: `niche, neighbour, names, contacts, expected, log2_ratio, z, p, q`."""
        import pandas as pd

        n = len(self.niches)
        a, b = (axis.ravel() for axis in np.indices((n, n)))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.log2(self.contacts / self.expected)
        return pd.DataFrame(
            {
                "niche": [self.niches[place] for place in a],
                "neighbour": [self.niches[place] for place in b],
                "name": [self.names[self.niches[place]] for place in a],
                "neighbour_name": [self.names[self.niches[place]] for place in b],
                "contacts": self.contacts.ravel(),
                "expected": self.expected.ravel(),
                "log2_ratio": np.where(np.isfinite(ratio), ratio, np.nan).ravel(),
                "z": self.z.ravel(),
                "p": self.p.ravel(),
                "q": self.q.ravel(),
            }
        )

    def save(self, folder: Path) -> None:
        """Write `neighbourhood.csv` into a folder that is there."""
        write_csv(folder / "neighbourhood.csv", self.table())


def niche_neighbourhood(
    result: NicheResult, *, permutations: int = 1000, seed: int = 0
) -> Job[Neighbourhood]:
    """Count which niches touch, and compare with niches scattered over the same patches.

    Patches touch that are among each other's eight grid neighbours. A
    permutation deals the niches of a slide out anew over that slide's patches.

    Parameters
    ----------
    result : NicheResult
        Niches of one or several slides.
    permutations, seed : int
        How many, and their seed.

    Raises
    ------
    HaikuError
        Fewer than 20 permutations, or no two patches that touch.
    """
    if permutations < 20:
        raise HaikuError(f"At least 20 permutations are needed, not {permutations}.")
    niches = result.niches
    place = np.full(max(niches) + 1, -1)
    place[list(niches)] = np.arange(len(niches))
    contacts = [
        _Contacts.of(slide.centres_um, place[labels])
        for slide, labels in zip(result.slides, result.labels, strict=True)
    ]
    if not any(len(slide.pairs) for slide in contacts):
        raise HaikuError("No two patches lie side by side, so niches have no neighbours.")
    n = len(niches)
    observed = _total(contacts, n)
    drawn = np.empty((permutations, n, n), np.int64)
    rng = np.random.default_rng(seed)
    for number in range(permutations):
        if number % _AT_ONCE == 0:
            yield Progress(number, permutations, "Scattering the niches", "permutations")
        drawn[number] = _total([slide.scattered(rng) for slide in contacts], n)
    expected, spread = drawn.mean(axis=0), drawn.std(axis=0)
    known = spread > 0
    z = np.where(known, (observed - expected) / np.where(known, spread, 1), np.nan)
    # A rounding error must not make equal distances differ.
    as_far = np.abs(drawn - expected) >= np.abs(observed - expected) - 1e-9
    p = np.where(known, (1 + as_far.sum(axis=0)) / (permutations + 1), np.nan)
    q = np.full((n, n), np.nan)
    upper = np.triu_indices(n)
    q[upper] = benjamini_hochberg(p[upper])
    q.T[upper] = q[upper]
    return Neighbourhood(
        niches, dict(result.names), observed, expected, z, p, q, permutations, seed
    )


@dataclass(frozen=True)
class _Contacts:
    pairs: NDArray[np.int64]
    places: NDArray[np.int64]

    @classmethod
    def of(cls, centres_um: NDArray[np.float64], places: NDArray[np.int64]) -> _Contacts:
        there = np.flatnonzero(places >= 0)
        centres = np.asarray(centres_um, np.float64)[there]
        if len(there) < 2:
            return cls(np.zeros((0, 2), np.int64), places[there])
        return cls(grid_pairs(centres, step_between(centres)), places[there])

    def scattered(self, rng: np.random.Generator) -> _Contacts:
        return _Contacts(self.pairs, rng.permutation(self.places))


def _total(slides: Sequence[_Contacts], n: int) -> NDArray[np.int64]:
    count = np.zeros((n, n), np.int64)
    for slide in slides:
        a, b = slide.places[slide.pairs].T
        count += np.bincount(a * n + b, minlength=n * n).reshape(n, n)
    return count + count.T
