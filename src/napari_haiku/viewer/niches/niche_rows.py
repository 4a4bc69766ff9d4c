"""Rows of the niche table: how large each niche is and what stands out in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_haiku.analysis.niches.niches import NicheResult

_MOST_NAMED = 3
_CLEAR_Q = 0.05


@dataclass(frozen=True)
class NicheRow:
    """One niche of the table.

    Parameters
    ----------
    niche : int
        Its number.
    name : str
        Its name.
    patches : int
        How many patches it has on the slide.
    share : float
        Their share of the slide's patches.
    stands_out : str
        Markers that are higher in it than elsewhere.
    confirmed : bool
        Whether somebody gave or confirmed the name; until then it is a suggestion.
    """

    niche: int
    name: str
    patches: int
    share: float
    stands_out: str
    confirmed: bool = False


def niche_rows(
    result: NicheResult, slide: int = 0, confirmed: Collection[int] = ()
) -> list[NicheRow]:
    """List the niches of one slide, in the order of their numbers.

    Parameters
    ----------
    result : NicheResult
        The niches.
    slide : int
        Which slide.
    confirmed : collection of int
        Niches whose names were given or confirmed by somebody.
    """
    labels = result.labels[slide]
    rows = []
    for niche, name in result.names.items():
        patches = int(np.count_nonzero(labels == niche))
        share = patches / len(labels) if len(labels) else 0.0
        rows.append(
            NicheRow(niche, name, patches, share, stands_out(result, niche), niche in confirmed)
        )
    return rows


def stands_out(result: NicheResult, niche: int) -> str:
    """Name up to three markers that are clearly higher in a niche than elsewhere."""
    # Its statistics library takes seconds to load; by now the grouping has loaded it.
    from napari_haiku.analysis.niches.niche_enrichment import ENRICHED_EFFECT

    table = result.enrichment
    if not len(table):
        return "no marker known"
    own = table[table["niche"] == niche].dropna(subset=["effect"])
    if not len(own):
        return "not estimable"
    clear = own[(own["effect"] >= ENRICHED_EFFECT) & (own["q"] < _CLEAR_Q)]
    high = clear.sort_values("effect", ascending=False, kind="stable")
    names = [str(marker) for marker in high["marker"][:_MOST_NAMED]]
    return ", ".join(names) if names else "low in all"
