from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.atlas import exact_scores as module
from napari_haiku.atlas import threads
from napari_haiku.atlas.exact_scores import exact_scores, plain_scores


@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.sampled_from([1, 5, 64, 300]))
def test_scores_are_those_of_the_plain_sum_bit_for_bit(seed, pairs, dim):
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(6, dim)).astype(np.float32)
    # Whole numbers often land between two float32 numbers.
    if rng.random() < 0.5:
        queries = np.round(queries * 2**18).astype(np.float32)
    gallery = np.round(rng.normal(size=(50, dim)) * 64).astype(np.float16)
    query_of = np.sort(rng.integers(0, 6, pairs))
    rows = rng.integers(0, 50, pairs)
    found = exact_scores(queries, gallery, query_of, rows)
    np.testing.assert_array_equal(found, plain_scores(queries[query_of], gallery[rows]))


def test_threads_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(40, 32)).astype(np.float32)
    gallery = rng.normal(size=(300, 32)).astype(np.float16)
    query_of = np.sort(rng.integers(0, 40, 20_000))
    rows = rng.integers(0, 300, 20_000)
    alone = exact_scores(queries, gallery, query_of, rows)
    monkeypatch.setattr(threads, "threads", lambda: 3)
    np.testing.assert_array_equal(exact_scores(queries, gallery, query_of, rows), alone)


def test_a_sum_that_could_round_either_way_is_summed_again(monkeypatch):
    asked = []
    plain = module.plain_scores
    monkeypatch.setattr(module, "plain_scores", lambda q, v: asked.append(len(v)) or plain(q, v))
    # 1 + 2^-24 lies exactly between two float32 numbers.
    queries = np.asarray([[1.0, 2.0**-24]], np.float32)
    gallery = np.asarray([[1, 1], [1, 0]], np.float16)
    scores = exact_scores(queries, gallery, np.zeros(2, np.int64), np.arange(2))
    assert asked == [1]
    assert scores.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_no_number_stays_so(bad):
    queries = np.ones((1, 3), np.float32)
    gallery = np.asarray([[bad, 1, 1]], np.float16)
    with np.errstate(invalid="ignore"):
        scores = exact_scores(queries, gallery, np.zeros(1, np.int64), np.zeros(1, np.int64))
    assert not np.isfinite(scores[0])
