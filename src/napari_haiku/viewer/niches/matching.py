"""Niches that stay the same stay the same colour: new ones take the numbers of those they match."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.analysis.niches.niches import NicheResult


def matching_numbers(before: NDArray[np.integer], after: NDArray[np.integer]) -> dict[int, int]:
    """Pair the niches of two groupings of the same patches, largest overlap first.

    Parameters
    ----------
    before, after : ndarray of int, shape (n,)
        Niche of each patch, from 1; 0 belongs to none.

    Returns
    -------
    dict of int to int
        Niche of `after` -> the number it should carry: that of the niche of
        `before` it shares most patches with, each given once; the others get
        the smallest free numbers.
    """
    new = [int(number) for number in np.unique(after[after > 0])]
    both = (before > 0) & (after > 0)
    pairs, counts = np.unique(
        np.stack([before[both], after[both]], axis=1), axis=0, return_counts=True
    )
    numbers: dict[int, int] = {}
    for place in np.lexsort((pairs[:, 1], pairs[:, 0], -counts)):
        old, own = (int(number) for number in pairs[place])
        if own not in numbers and old not in numbers.values():
            numbers[own] = old
    free = (number for number in range(1, len(new) + len(numbers) + 1))
    for own in new:
        if own not in numbers:
            numbers[own] = next(number for number in free if number not in numbers.values())
    return numbers


def renumbered(result: NicheResult, numbers: Mapping[int, int]) -> NicheResult:
    """Give a result whose niches carry other numbers, everything about them included.

    Parameters
    ----------
    result : NicheResult
        The niches.
    numbers : Mapping
        Every niche of the result -> its new number, all different.
    """
    table = np.zeros(max(numbers) + 1, np.int64)
    table[list(numbers)] = list(numbers.values())
    order = sorted(result.niches, key=lambda niche: numbers[niche])
    places = [result.niches.index(niche) for niche in order]
    enrichment = result.enrichment
    if len(enrichment):
        moved = enrichment.assign(niche=[numbers[int(own)] for own in enrichment["niche"]])
        enrichment = moved.sort_values("niche", kind="stable", ignore_index=True)
    return replace(
        result,
        labels=tuple(table[own] for own in result.labels),
        names={numbers[niche]: result.names[niche] for niche in order},
        enrichment=enrichment,
        prototypes={
            numbers[niche]: result.prototypes[niche]
            for niche in order
            if niche in result.prototypes
        },
        centres=result.centres[places],
    )


def still_the_same(before: NDArray[np.integer], after: NDArray[np.integer], niche: int) -> bool:
    """Whether a niche is still the tissue it was, so that its name still fits.

    Parameters
    ----------
    before, after : ndarray of int, shape (n,)
        Niche of each patch under matching numbers.
    niche : int
        Number of the niche in both.
    """
    was, now = before == niche, after == niche
    smaller = min(int(was.sum()), int(now.sum()))
    return smaller > 0 and 2 * int((was & now).sum()) > smaller
