"""Which niches touch, as circles and lines to draw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_haiku.analysis.niches.neighbourhood import Neighbourhood

CLEAR_Q = 0.05


@dataclass(frozen=True)
class Contact:
    """Two niches and how often they lie side by side.

    Parameters
    ----------
    first, second : int
        The niches; alike for a niche with itself.
    share : float
        Share of the first one's contacts with other niches that are with the
        second; of all its contacts for a niche with itself.
    log2_ratio : float
        Contacts against the mean over niches scattered at random, as a power
        of two; NaN where there is none.
    z : float
        The same in SD of the scattered ones; NaN where they do not vary.
    clear : bool
        Whether q < 0.05.
    hint : str
        What hovering says.
    """

    first: int
    second: int
    share: float
    log2_ratio: float
    z: float
    clear: bool
    hint: str


def contacts_of(found: Neighbourhood) -> list[Contact]:
    """List every pair of niches once, and every niche with itself."""
    count = np.asarray(found.contacts, float)
    listed = []
    for a, first in enumerate(found.niches):
        for b in range(a, len(found.niches)):
            second = found.niches[b]
            total = count[a].sum() if a == b else count[a].sum() - count[a, a]
            share = float(count[a, b] / total) if total > 0 else 0.0
            expected, seen = float(found.expected[a, b]), float(count[a, b])
            ratio = math.log2(seen / expected) if seen > 0 and expected > 0 else math.nan
            q, z = float(found.q[a, b]), float(found.z[a, b])
            listed.append(
                Contact(
                    first,
                    second,
                    share,
                    ratio,
                    z,
                    bool(q < CLEAR_Q),
                    _hint(found, first, second, seen, expected, q),
                )
            )
    return listed


def _hint(
    found: Neighbourhood, first: int, second: int, seen: float, expected: float, q: float
) -> str:
    names = found.names
    who = (
        f"{names[first]} beside itself"
        if first == second
        else f"{names[first]} beside {names[second]}"
    )
    if not math.isfinite(q):
        return f"{who}: not estimable"
    return f"{who}: {seen:,.0f} contacts, {expected:,.0f} by chance, q {q:.2g}"


def on_circle(count: int) -> list[tuple[float, float]]:
    """Places of so many niches on a circle of radius 1, the first at the top, clockwise."""
    turns = [2 * math.pi * place / max(1, count) for place in range(count)]
    return [(math.sin(turn), -math.cos(turn)) for turn in turns]
