"""A set of patches answers with each candidate's best."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.atlas.merging import best_of_set
from napari_haiku.atlas.ranking import best_rows
from napari_haiku.atlas.search import Hits


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 12))
def test_it_is_what_scoring_everyone_gives(seed, patches, k):
    rng = np.random.default_rng(seed)
    gallery = rng.integers(-2, 3, (9, 3)).astype(np.float16)
    queries = rng.integers(-2, 3, (patches, 3)).astype(np.float32)
    merged = best_of_set(Hits(*best_rows(queries, gallery, np.arange(9), k)), k)
    best = (queries @ gallery.T.astype(np.float32)).max(axis=0)
    order = np.argsort(-best, kind="stable")[:k]
    found = merged.found[0]
    np.testing.assert_array_equal(merged.indices[0][found], order)
    np.testing.assert_array_equal(merged.similarity[0][found], best[order])
    assert merged.indices.shape == (1, k)
