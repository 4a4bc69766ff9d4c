from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_haiku.atlas import collecting, exact_scores, products, ranking
from napari_haiku.atlas.ranking import Gap, best_rows, best_rows_of_slides


def brute_force(queries, gallery, rows, k, out=None):
    """Score every pair, sort by score and then by row."""
    indices = np.full((len(queries), k), -1)
    scores = np.full((len(queries), k), np.nan, np.float32)
    for number, query in enumerate(queries):
        exact = (gallery[rows].astype(np.float64) * query).sum(axis=1).astype(np.float32)
        keep = np.ones(len(rows), bool) if out is None else ~out[number]
        order = sorted(np.flatnonzero(keep), key=lambda place: (-exact[place], rows[place]))[:k]
        indices[number, : len(order)] = rows[order]
        scores[number, : len(order)] = exact[order]
    return indices, scores


@st.composite
def problems(draw):
    """Galleries with many equal and nearly equal vectors, and queries among them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d = draw(st.integers(1, 300)), draw(st.sampled_from([1, 2, 7, 32]))
    kinds = draw(st.integers(1, max(1, n)))
    distinct = rng.normal(size=(kinds, d))
    distinct /= np.maximum(np.linalg.norm(distinct, axis=1, keepdims=True), 1e-6)
    gallery = distinct[rng.integers(0, kinds, n)].astype(np.float16)
    gallery += (rng.random((n, d)) < draw(st.sampled_from([0.0, 0.01]))) * np.float16(1e-3)
    queries = rng.normal(size=(draw(st.integers(1, 12)), d)).astype(np.float32)
    queries[0] = gallery[rng.integers(n)]
    if draw(st.booleans()):
        queries[-1] = 0
    share = draw(st.sampled_from([1.0, 0.5, 0.02]))
    rows = np.flatnonzero(rng.random(n) <= share)
    return queries, gallery, rows, draw(st.integers(1, 60))


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "QUERY_BLOCK", 5)
        patch.setattr(ranking, "_SPARE", 3)
        patch.setattr(ranking, "_ROWS_AT_ONCE", 41)
        patch.setattr(collecting, "GALLERY_BLOCK", 37)
        patch.setattr(collecting, "_GAP_QUERIES", 2)
        patch.setattr(collecting, "_LEAST_CROWD", 60)
        patch.setattr(collecting, "_CROWD", 2)
        patch.setattr(exact_scores, "PAIRS_AT_ONCE", 50)
        patch.setattr(exact_scores, "_ROWS_AT_ONCE", 20)
        yield


@pytest.fixture(params=["numpy", "float32", "bfloat16"])
def product(request, monkeypatch):
    """Every way to multiply, however small the work."""
    made = (
        products.NumpyProduct()
        if request.param == "numpy"
        else products.TorchProduct(request.param)
    )
    monkeypatch.setattr(ranking, "choose_product", lambda pairs, dim: made)
    return made


@settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(problem=problems())
def test_it_equals_brute_force_ties_included(product, problem):
    found = best_rows(*problem)
    expected = brute_force(*problem)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@settings(deadline=None, max_examples=100)
@given(problems(), st.integers(0, 2**32 - 1), st.floats(0, 5))
def test_a_gap_equals_brute_force(problem, seed, width):
    queries, gallery, rows, k = problem
    rng = np.random.default_rng(seed)
    places = rng.integers(0, 5, (len(gallery), 2)).astype(float)
    asked = rng.integers(0, 5, (len(queries), 2)).astype(float)
    own = rows[rng.random(len(rows)) < 0.5]
    distance = np.linalg.norm(asked[:, None] - places[None, rows], axis=-1)
    out = np.isin(rows, own)[None] & (distance**2 < width**2)
    gap = Gap(own, places[own], asked, width)
    found = best_rows(queries, gallery, rows, k, gap=gap)
    expected = brute_force(queries, gallery, rows, k, out)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@settings(deadline=None, max_examples=100)
@given(problems(), st.integers(0, 2**32 - 1), st.booleans())
def test_slides_that_share_a_vector_equal_brute_force(problem, seed, with_gap):
    queries, gallery, rows, k = problem
    rng = np.random.default_rng(seed)
    slide_of = np.sort(rng.integers(0, 6, len(gallery)))
    vectors = gallery[:6] if len(gallery) >= 6 else np.resize(gallery, (6, gallery.shape[1]))
    gap = out = None
    if with_gap:
        places = rng.random((len(gallery), 2))
        asked = rng.random((len(queries), 2))
        gap = Gap(rows, places[rows], asked, 0.5)
        distance = ((asked[:, None] - places[None, rows]) ** 2).sum(axis=-1)
        out = distance < 0.25
    found = best_rows_of_slides(queries, vectors, slide_of, rows, k, gap=gap)
    expected = brute_force(queries, vectors[slide_of], rows, k, out)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_the_order_of_candidates_does_not_mix_up_their_scores():
    gallery = np.diag(np.asarray([6, 3, 4, 1], np.float16))
    found, scores = best_rows(np.ones((1, 4), np.float32), gallery, np.arange(4), 4)
    assert found.tolist() == [[0, 2, 1, 3]]
    assert scores.tolist() == [[6, 4, 3, 1]]


def test_all_candidates_alike_come_in_their_order():
    gallery = np.ones((200, 4), np.float16)
    found, scores = best_rows(np.ones((3, 4), np.float32), gallery, np.arange(200), 10)
    np.testing.assert_array_equal(found, np.tile(np.arange(10), (3, 1)))
    assert (scores == 4).all()


def test_more_asked_than_there_are_is_filled_with_minus_one():
    gallery = np.eye(3, dtype=np.float16)
    found, scores = best_rows(np.ones((1, 3), np.float32), gallery, np.asarray([0, 2]), 5)
    assert found.tolist() == [[0, 2, -1, -1, -1]]
    assert np.isnan(scores[0, 2:]).all()


def test_the_whole_matrix_of_scores_is_never_held(monkeypatch):
    monkeypatch.setattr(ranking, "QUERY_BLOCK", 64)
    monkeypatch.setattr(collecting, "GALLERY_BLOCK", 128)
    largest = []
    scores = products.NumpyProduct.scores

    def watch(self, queries, block):
        fast = scores(self, queries, block)
        largest.append(fast.size)
        return fast

    monkeypatch.setattr(products.NumpyProduct, "scores", watch)
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(3000, 8)).astype(np.float16)
    best_rows(rng.normal(size=(500, 8)).astype(np.float32), gallery, np.arange(3000), 5)
    assert max(largest) <= 64 * 128


@pytest.fixture
def usual_blocks(monkeypatch):
    monkeypatch.setattr(ranking, "_SPARE", 32)
    monkeypatch.setattr(collecting, "GALLERY_BLOCK", 1000)
    monkeypatch.setattr(collecting, "_LEAST_CROWD", 1_000_000)


def test_hardly_any_query_is_scored_twice(monkeypatch, usual_blocks):
    again = []
    monkeypatch.setattr(ranking, "_exhaustive", lambda *args: again.append(args))
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(5000, 64))
    gallery = (gallery / np.linalg.norm(gallery, axis=1, keepdims=True)).astype(np.float16)
    queries = rng.normal(size=(20, 64)).astype(np.float32)
    best_rows(queries, gallery, np.arange(5000), 10)
    assert len(again) <= 2


def test_what_16_bits_leave_open_is_settled_by_32(monkeypatch, usual_blocks):
    """Scores closer together than 16 bits can tell: the answer is still exact."""
    monkeypatch.setattr(
        ranking, "choose_product", lambda pairs, dim: products.TorchProduct("bfloat16")
    )
    again = []
    monkeypatch.setattr(ranking, "_exhaustive", lambda *args: again.append(args))
    rng = np.random.default_rng(0)
    direction = rng.normal(size=64)
    gallery = direction / np.linalg.norm(direction) + 1e-3 * rng.normal(size=(4000, 64))
    gallery = gallery.astype(np.float16)
    queries = (direction + 0.1 * rng.normal(size=(20, 64))).astype(np.float32)
    found = best_rows(queries, gallery, np.arange(4000), 10)
    expected = brute_force(queries, gallery, np.arange(4000), 10)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert len(again) <= 4


@given(st.integers(0, 2**32 - 1), st.sampled_from([3, 2**31]))
def test_pairs_are_sorted_alike_packed_or_not(seed, largest):
    rng = np.random.default_rng(seed)
    query = rng.integers(0, 5, 60)
    rows = rng.permutation(60) if largest < 60 else rng.permutation(60) + largest
    scores = rng.choice(np.float32([-np.inf, -1.5, -0.0, 0.0, 1e-30, 2, np.inf, np.nan]), 60)
    found = ranking.sorted_pairs(query, rows, scores, 5, 20)
    order = np.lexsort((rows, -scores, query))
    for number in range(5):
        mine = order[query[order] == number][:20]
        np.testing.assert_array_equal(found[0][number][: len(mine)], rows[mine])
        np.testing.assert_array_equal(found[1][number][: len(mine)], scores[mine])
