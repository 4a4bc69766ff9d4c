"""An edited record gives what a new search would."""

from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.atlas.edits import EditableSearch
from napari_haiku.atlas.query import compose_query
from napari_haiku.atlas.search import Exclusion, search
from napari_haiku.errors import HaikuError

WEIGHTS = {"he": 0.8, "text": 0.2}


@pytest.fixture(scope="module")
def he(built):
    return built.encodings[0].embeddings("he")


def under(he, seed):
    text = np.random.default_rng(seed).normal(size=he.shape[1]).astype(np.float32)
    return compose_query({"he": he, "text": text / np.linalg.norm(text)}, WEIGHTS)


@pytest.mark.parametrize("gap", [None, 150.0])
@pytest.mark.parametrize("where", [None, "x_um < 300"])
def test_an_edit_equals_a_new_search(built, he, gap, where):
    encoding = built.encodings[0]
    who = {
        "where": where,
        "exclude": Exclusion.of(encoding, within_patient_um=gap),
        "query_positions_um": encoding.centres_um,
    }
    first = EditableSearch.of(built.atlas, under(he, 0), depth=4, **who)
    for seed in (0, 1, 2):
        found = first.search(under(he, seed), 5)
        expected = search(built.atlas, under(he, seed), k=5, **who)
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_array_equal(found.similarity, expected.similarity)


def test_other_questions_are_refused(built, he):
    first = EditableSearch.of(built.atlas, he)
    with pytest.raises(HaikuError, match="15 edited questions were given for 16 patches"):
        first.search(he[:-1], 5)
    with pytest.raises(HaikuError, match="choose the target mif or he"):
        EditableSearch.of(built.atlas, he, target="text")
