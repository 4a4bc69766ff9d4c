import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_haiku.evaluation import ranks as module
from napari_haiku.evaluation.ranks import Ranks, group_ranks, paired_ranks
from napari_haiku.jobs import run_job


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "QUERY_BLOCK", 3)
    monkeypatch.setattr(module, "GALLERY_BLOCK", 4)
    monkeypatch.setattr(module, "_PAIRS_AT_ONCE", 5)
    monkeypatch.setattr(module, "_AT_HAND_BYTES", 0)


def brute(queries, gallery, right):
    scores = (queries.astype(float)[:, None] * gallery.astype(float)[None]).sum(axis=2)
    scores = scores.astype(np.float32)
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    wrong = np.where(right, -np.inf, scores)
    larger, tied = (wrong > best).sum(axis=1), (wrong == best).sum(axis=1)
    return larger, tied, (np.where(right, scores, -np.inf) == best).sum(axis=1)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 23), st.booleans())
def test_paired_ranks_are_those_of_the_whole_table(seed, n, coarse):
    rng = np.random.default_rng(seed)
    draw = (lambda: rng.integers(-1, 2, (n, 3))) if coarse else (lambda: rng.normal(size=(n, 3)))
    queries, gallery = draw().astype(np.float16), draw().astype(np.float16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "QUERY_BLOCK", 3)
        patch.setattr(module, "GALLERY_BLOCK", 4)
        found = run_job(paired_ranks(queries, gallery))
    larger, tied, _ = brute(queries, gallery, np.eye(n, dtype=bool))
    assert (found.larger == larger).all()
    assert (found.tied == tied).all()


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_group_ranks_are_those_of_the_whole_table(seed):
    rng = np.random.default_rng(seed)
    queries = rng.integers(-1, 2, (7, 3)).astype(np.float32)
    gallery = rng.integers(-1, 2, (11, 3)).astype(np.float32)
    asked, answers = rng.integers(0, 3, 7), rng.integers(0, 3, 11)
    found = run_job(group_ranks(queries, gallery, asked, answers))
    right = asked[:, None] == answers[None]
    there = right.any(axis=1)
    larger, tied, right_tied = brute(queries, gallery, right)
    assert (found.known == there).all()
    assert (found.larger[there] == larger[there]).all()
    assert (found.tied[there] == tied[there]).all()
    assert (found.right_tied[there] == right_tied[there]).all()


def test_blocks_change_nothing(small_blocks):
    rng = np.random.default_rng(0)
    queries, gallery = rng.normal(size=(2, 40, 6)).astype(np.float16)
    found = run_job(paired_ranks(queries, gallery))
    assert (found.larger == brute(queries, gallery, np.eye(40, dtype=bool))[0]).all()


def test_no_block_of_scores_is_larger_than_asked(monkeypatch):
    seen = []
    real = np.count_nonzero

    def watched(table, *args, **kwargs):
        seen.append(np.size(table))
        return real(table, *args, **kwargs)

    monkeypatch.setattr(module, "QUERY_BLOCK", 8)
    monkeypatch.setattr(module, "GALLERY_BLOCK", 16)
    monkeypatch.setattr(module.np, "count_nonzero", watched)
    vectors = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float16)
    run_job(paired_ranks(vectors, vectors))
    assert max(seen) == 8 * 16


def test_a_model_that_says_the_same_of_all_is_at_chance():
    same = np.ones((50, 4), np.float16)
    found = run_job(paired_ranks(same, same))
    assert found.hit(1) == pytest.approx(np.full(50, 1 / 50))
    assert found.hit(10) == pytest.approx(np.full(50, 10 / 50))
    assert found.rank() == pytest.approx(np.full(50, 25.5))
    assert found.reciprocal().mean() == pytest.approx((1 / np.arange(1, 51)).mean())


@settings(max_examples=30)
@given(st.integers(0, 5), st.integers(0, 4), st.integers(1, 3), st.integers(1, 12))
def test_ties_in_random_order(larger, wrong, right, k):
    """Expected hit, rank and 1 / rank agree with every order of the tied candidates."""
    from itertools import permutations

    firsts = np.array(
        [
            larger + 1 + order.index("r") if "r" in order else 0
            for order in set(permutations("w" * wrong + "r" * right))
        ]
    )
    ranks = Ranks(np.array([larger]), np.array([wrong]), np.array([right]))
    assert ranks.hit(k)[0] == pytest.approx((firsts <= k).mean())
    assert ranks.rank()[0] == pytest.approx(firsts.mean())
    assert ranks.reciprocal()[0] == pytest.approx((1 / firsts).mean())
    assert ranks.gain()[0] == pytest.approx((1 / np.log2(firsts + 1)).mean())


def test_a_query_without_a_right_answer_is_not_a_number():
    queries = np.eye(2, dtype=np.float32)
    found = run_job(group_ranks(queries, queries, np.array([0, 5]), np.array([0, 0])))
    assert np.isnan(found.hit(1)[1])
    assert found.hit(1)[0] == 1
