"""Hits as a table to take away."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_haiku.clinical import is_identifying
from napari_haiku.notices import RESEARCH_USE, SAME_PATIENT
from napari_haiku.viewer.search.hit_cards import THIS_SLIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.atlas.store import Atlas
    from napari_haiku.viewer.search.hit_cards import HitCard


def hit_table(atlas: Atlas, cards: Sequence[HitCard]) -> pd.DataFrame:
    """One row a hit: place, likeness, whose by pseudonym, record, what was measured there.

    Identifying fields are left out.
    """
    rows = np.array([card.row for card in cards], np.int64)
    fields = [name for name in atlas.fields if not is_identifying(name)]
    table = pd.DataFrame(
        {
            "rank": [card.rank for card in cards],
            "similarity": [round(card.similarity, 6) for card in cards],
            "patient": [atlas.pseudonym_of(card.row) for card in cards],
            "slide": atlas.slides["slide_pseudonym"].to_numpy()[atlas.slide_index[rows]],
            "this_slide": [card.whose == THIS_SLIDE for card in cards],
            "x_um": [card.position_um[0] for card in cards],
            "y_um": [card.position_um[1] for card in cards],
        }
    )
    for name in fields:
        table[name] = atlas.records[name].to_numpy()[atlas.slide_index[rows]]
    for column, marker in enumerate(atlas.markers):
        table[f"measured {marker}"] = np.asarray(atlas.expression[rows, column], np.float64)
    return table


def hit_csv(atlas: Atlas, cards: Sequence[HitCard], asked: str) -> str:
    """Write the table as CSV, with what was asked and the standing sentences in the first lines."""
    head = [f"# Similar tissue: {asked}. Atlas {atlas.name}. {RESEARCH_USE}."]
    if any(card.this_slide for card in cards):
        head.append(f"# {SAME_PATIENT}")
    head = [re.sub(r"[\r\n]+", " ", line) for line in head]
    table: str = hit_table(atlas, cards).to_csv(index=False, lineterminator="\n")
    return "\n".join(head) + "\n" + table
