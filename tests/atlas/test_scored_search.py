"""Every score gives the order that scoring all candidates at once gives."""

from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.atlas.query import compose_query
from napari_haiku.atlas.scored_search import search_parts
from napari_haiku.atlas.scoring import score
from napari_haiku.atlas.search import Exclusion, search
from napari_haiku.errors import HaikuError


@pytest.fixture(scope="module")
def parts(built):
    encoding = built.encodings[0]
    return {
        "he": encoding.embeddings("he"),
        "text": encoding.embeddings("text"),
        "mif": encoding.embeddings("mif"),
    }


def expected_order(atlas, scorer, parts, rows, k):
    gallery = np.asarray(atlas.embeddings("mif")[rows], np.float64)
    scores = score(scorer, parts, gallery).astype(np.float32)
    return rows[np.argsort(-scores, axis=1, kind="stable")[:, :k]]


def test_late_fusion_is_the_plain_search(built, parts):
    asked = {name: parts[name] for name in ("he", "text")}
    plain = search(built.atlas, compose_query(asked), k=7)
    found = search_parts(built.atlas, parts, k=7)
    np.testing.assert_array_equal(found.indices, plain.indices)
    np.testing.assert_array_equal(found.similarity, plain.similarity)


@pytest.mark.parametrize("scorer", ["early_fusion", "rrf", "gram_volume"])
def test_scores_of_several_parts(built, parts, scorer):
    rows = np.flatnonzero(built.atlas.has("mif"))
    asked = {name: parts[name] for name in ("he", "text")}
    found = search_parts(built.atlas, parts, scorer=scorer, k=9)
    np.testing.assert_array_equal(
        found.indices, expected_order(built.atlas, scorer, asked, rows, 9)
    )
    assert (np.diff(found.similarity, axis=1) <= 0).all()


@pytest.mark.parametrize("scorer", ["rrf", "gram_volume"])
def test_who_is_out_takes_no_rank(built, parts, scorer):
    encoding = built.encodings[0]
    gap = {
        "exclude": Exclusion.of(encoding, within_patient_um=150.0),
        "query_positions_um": encoding.centres_um,
    }
    asked = {"he": parts["he"], "text": parts["text"]}
    found = search_parts(built.atlas, asked, scorer=scorer, k=64, **gap)
    plain = search(built.atlas, compose_query(asked), k=64, **gap)
    for mine, theirs in zip(found.indices, plain.indices, strict=True):
        assert set(mine) == set(theirs)
    if scorer == "rrf":
        best = 2 / 61
        assert (found.similarity[:, 0] <= np.float32(best)).all()
        alone = search_parts(built.atlas, {"he": parts["he"]}, scorer="rrf", k=64, **gap)
        assert (alone.similarity[:, 0] == np.float32(1 / 61)).all()


def test_records_are_found_too(built, parts):
    found = search_parts(built.atlas, {"he": parts["he"][:2]}, scorer="rrf", target="text", k=5)
    plain = search(built.atlas, parts["he"][:2], target="text", k=5)
    np.testing.assert_array_equal(found.indices, plain.indices)


def test_products_need_their_training(built, parts):
    with pytest.raises(HaikuError, match="trained with symile"):
        search_parts(built.atlas, parts, scorer="mip")
    card = {"training": {"objectives": ["symile"]}}
    assert search_parts(built.atlas, parts, scorer="mip", model_card=card, k=3).found.all()


def test_volumes_are_warned_about(built, parts):
    asked = {"he": parts["he"][:1], "text": parts["text"]}
    assert "trained" in search_parts(built.atlas, asked, scorer="gram_volume", k=3).note
    card = {"training": {"objective": "gram"}}
    sure = search_parts(built.atlas, asked, scorer="gram_volume", k=3, model_card=card)
    assert sure.note == ""


def test_a_score_that_does_not_fit_is_told(built, parts):
    with pytest.raises(HaikuError, match="cosine takes one part"):
        search_parts(built.atlas, parts, scorer="cosine")
    with pytest.raises(HaikuError, match="There is no score 'best'"):
        search_parts(built.atlas, parts, scorer="best")
    with pytest.raises(HaikuError, match="no text part"):
        search_parts(built.atlas, {"he": parts["he"]}, scorer="rrf", weights={"text": 1.0})
    one = search_parts(built.atlas, parts, scorer="cosine", weights={"he": 1.0}, k=3)
    np.testing.assert_array_equal(one.indices, search(built.atlas, parts["he"], k=3).indices)
