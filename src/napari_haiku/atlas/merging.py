"""A set of patches that asks as one: each candidate counts by the patch it is most like."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.atlas.ranking import sorted_pairs

if TYPE_CHECKING:
    from napari_haiku.atlas.search import Hits


def best_of_set(hits: Hits, k: int) -> Hits:
    """Merge the answers of all patches of a set into one list.

    Where each list holds the k best of its patch, the merged list holds exactly
    the k best of the set: who is better than all of them is in one of the lists.

    Parameters
    ----------
    hits : Hits
        Answers of each patch, shape (q, k or more).
    k : int
        How many to keep.

    Returns
    -------
    Hits
        One row; ties go to the lower row of the atlas.
    """
    rows, scores = hits.indices[hits.found], hits.similarity[hits.found]
    order = np.lexsort((-scores, rows))
    rows, scores = rows[order], scores[order]
    first = np.flatnonzero(np.diff(rows, prepend=-1) > 0)
    alone = np.zeros(len(first), np.int64)
    indices, similarity = sorted_pairs(alone, rows[first], scores[first], 1, k)
    return replace(hits, indices=indices, similarity=similarity)
