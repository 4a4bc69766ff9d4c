from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_haiku.atlas import collecting, products, ranking, reranking
from napari_haiku.atlas.query import compose_query
from napari_haiku.atlas.ranking import Gap, best_rows
from napari_haiku.atlas.reranking import Reranking


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(ranking, "QUERY_BLOCK", 5)
    monkeypatch.setattr(reranking, "QUERY_BLOCK", 4)
    monkeypatch.setattr(reranking, "_ROWS_AT_ONCE", 29)
    monkeypatch.setattr(collecting, "GALLERY_BLOCK", 37)


@pytest.fixture(params=["numpy", "bfloat16"])
def product(request, monkeypatch):
    made = products.NumpyProduct()
    if request.param != "numpy":
        made = products.TorchProduct(request.param)
    for room in (ranking, reranking):
        monkeypatch.setattr(room, "choose_product", lambda pairs, dim: made)
    return made


@st.composite
def edits(draw):
    """A slide, an atlas with many equal vectors, and a few edits of the record."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d = draw(st.integers(1, 300)), draw(st.sampled_from([2, 7, 32]))
    kinds = draw(st.integers(1, max(1, n)))
    distinct = rng.normal(size=(kinds, d))
    distinct /= np.maximum(np.linalg.norm(distinct, axis=1, keepdims=True), 1e-6)
    gallery = distinct[rng.integers(0, kinds, n)].astype(np.float16)
    he = rng.normal(size=(draw(st.integers(1, 11)), d)).astype(np.float32)
    he[0] = gallery[rng.integers(n)]
    texts = rng.normal(size=(3, d)).astype(np.float32)
    texts[1:] = texts[0] + draw(st.sampled_from([0.0, 0.01, 0.1, 5.0])) * texts[1:]
    if draw(st.booleans()):
        # As real ones are: an edit then moves every question by the very same vector.
        he /= np.linalg.norm(he, axis=1, keepdims=True)
        texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    share = draw(st.sampled_from([0.05, 0.4]))
    questions = [
        compose_query({"he": he, "text": text}, {"he": 1 - share, "text": share}) for text in texts
    ]
    rows = np.flatnonzero(rng.random(n) <= draw(st.sampled_from([1.0, 0.5, 0.02])))
    gap = None
    if draw(st.booleans()):
        places = rng.integers(0, 5, (n, 2)).astype(float)
        own = rows[rng.random(len(rows)) < 0.5]
        gap = Gap(own, places[own], rng.integers(0, 5, (len(he), 2)).astype(float), 2.0)
    return questions, gallery, rows, gap, draw(st.integers(1, 40)), draw(st.integers(1, 80))


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(problem=edits())
def test_every_edit_equals_a_new_pass_ties_included(product, problem):
    questions, gallery, rows, gap, k, depth = problem
    first = Reranking.of(questions[0], gallery, rows, gap=gap, depth=depth, sums=depth // 4)
    for question in (*questions, questions[1]):
        found = first.search(question, k)
        expected = best_rows(question, gallery, rows, k, gap=gap)
        np.testing.assert_array_equal(found.indices, expected[0])
        np.testing.assert_array_equal(found.similarity, expected[1])


@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1))
def test_questions_that_did_not_move_alike_are_answered_exactly_too(product, seed):
    rng = np.random.default_rng(seed)
    gallery = rng.normal(size=(200, 8)).astype(np.float16)
    before, after = rng.normal(size=(2, 9, 8)).astype(np.float32)
    found = Reranking.of(before, gallery, np.arange(200), depth=30).search(after, 5)
    expected = best_rows(after, gallery, np.arange(200), 5)
    np.testing.assert_array_equal(found.indices, expected[0])
    np.testing.assert_array_equal(found.similarity, expected[1])


def atlas_and_slide():
    rng = np.random.default_rng(5)
    gallery = rng.normal(size=(6000, 48))
    gallery = (gallery / np.linalg.norm(gallery, axis=1, keepdims=True)).astype(np.float16)
    he, text, other = (rng.normal(size=(n, 48)) for n in (40, 1, 1))
    he, text, other = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (he, text, other))
    return gallery, he.astype(np.float32), text.astype(np.float32), other.astype(np.float32)


def test_an_edit_of_one_field_needs_no_new_pass(monkeypatch):
    """Most patches are settled by their lists, and nobody is searched anew."""
    monkeypatch.setattr(collecting, "GALLERY_BLOCK", 2000)
    gallery, he, text, other = atlas_and_slide()
    weights = {"he": 0.6, "text": 0.4}
    before = compose_query({"he": he, "text": text}, weights)
    after = compose_query({"he": he, "text": text + 0.2 * other}, weights)
    first = Reranking.of(before, gallery, np.arange(6000), depth=600)
    passes, summed = [], []
    monkeypatch.setattr(reranking, "best_rows", lambda *args, **_: passes.append(args))
    found = first.search(after, 20)
    assert passes == []
    assert found.searched_anew == 0
    assert found.settled > 20
    expected = best_rows(after, gallery, np.arange(6000), 20)
    np.testing.assert_array_equal(found.indices, expected[0])
    # Whom the lists settled before needs no vector the next time.
    monkeypatch.setattr(reranking, "pair_sums", lambda *args: summed.append(args[3]) or np.zeros(0))
    again = first.search(after, 20)
    assert sum(map(len, summed)) == 0
    np.testing.assert_array_equal(again.similarity, expected[1])


def test_a_slide_of_another_length_is_refused():
    gallery, he, *_ = atlas_and_slide()
    first = Reranking.of(he, gallery, np.arange(6000))
    with pytest.raises(ValueError, match="not those of the first pass"):
        first.search(he[:3], 5)
