import numpy as np
import pytest

from napari_haiku.evaluation.chance import RandomOrder
from napari_haiku.evaluation.relevance import relevance_scores
from napari_haiku.jobs import run_job


@pytest.mark.parametrize(("n", "right"), [(20, 1), (20, 4), (5, 5), (1, 1)])
def test_chance_is_what_random_orders_reach(n, right):
    rng = np.random.default_rng(0)
    orders = np.stack([rng.permutation(n) < right for _ in range(20_000)])
    first = orders.argmax(axis=1) + 1
    chance = RandomOrder([n], [right])
    assert chance.hit(3) == pytest.approx((first <= 3).mean(), abs=0.015)
    assert chance.reciprocal() == pytest.approx((1 / first).mean(), abs=0.015)
    assert abs(chance.median_rank() - np.sort(first)[(len(first) - 1) // 2]) <= 1
    found = np.cumsum(orders, axis=1) / np.arange(1, n + 1)
    ap = (found * orders).sum(axis=1) / right
    assert chance.average_precision() == pytest.approx(ap.mean(), abs=0.015)
    weights = 1 / np.log2(np.arange(2, n + 2))
    gain = (orders @ weights) / weights[:right].sum()
    assert chance.gain() == pytest.approx(gain.mean(), abs=0.015)
    assert chance.precision() == pytest.approx(right / n)


def test_one_right_answer_by_formula():
    chance = RandomOrder([959], [1])
    assert chance.hit(1) == pytest.approx(0.00104, abs=1e-5)
    assert chance.hit(5) == pytest.approx(0.0052, abs=1e-4)
    assert chance.median_rank() == 480


def test_relevance_scores_by_hand():
    # Ranking of the query: rows 2, 0, 1, 3; right are 0 and 3.
    gallery = np.array([[0.8], [0.5], [0.9], [0.1]])
    right = np.array([[True, False, False, True]])
    scores = run_job(relevance_scores(np.ones((1, 1)), gallery, lambda part: right[part]))
    assert scores.rank[0] == 2
    assert scores.average_precision[0] == pytest.approx((1 / 2 + 2 / 4) / 2)
    ideal = 1 + 1 / np.log2(3)
    assert scores.gain[0] == pytest.approx((1 / np.log2(3) + 1 / np.log2(5)) / ideal)
    assert scores.precision[1][0] == 0
    assert (scores.candidates[0], scores.right[0]) == (4, 2)


def test_whoever_may_not_answer_is_in_no_figure():
    gallery = np.array([[0.8], [0.5], [0.9], [0.1]])
    right = np.array([[True, False, True, True]])
    out = np.array([[False, False, True, False]])
    scores = run_job(
        relevance_scores(np.ones((1, 1)), gallery, lambda p: right[p], lambda p: out[p])
    )
    assert scores.rank[0] == 1
    assert (scores.candidates[0], scores.right[0]) == (3, 2)
    assert scores.average_precision[0] == pytest.approx((1 + 2 / 3) / 2)
