"""A stack weighs heads by what their held-out scores tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_haiku.analysis.outcome.mil import PooledRidge, TunedHead, tune
from napari_haiku.analysis.outcome.mil_bags import Bags
from napari_haiku.analysis.outcome.mil_stacking import stack
from napari_haiku.analysis.outcome.mil_targets import SurvivalTarget
from napari_haiku.analysis.outcome.survival_times import SurvivalTimes
from napari_haiku.jobs import run_job


def _target(hazard: np.ndarray, seed: int = 0) -> SurvivalTarget:
    rng = np.random.default_rng(seed)
    time = rng.exponential(1 / np.exp(hazard))
    return SurvivalTarget(SurvivalTimes.from_arrays(time, rng.random(len(time)) < 0.8))


def _head(held_out: np.ndarray, own: np.ndarray | None = None) -> TunedHead:
    own = held_out if own is None else own
    folds = np.arange(len(own)) % 5
    return TunedHead("mean", 0, 0.7, held_out[:, None], folds, None, own[:, None])  # type: ignore[arg-type]


def test_what_tells_nothing_weighs_next_to_nothing() -> None:
    rng = np.random.default_rng(1)
    told, noise = rng.normal(size=(2, 400))
    found = stack([_head(told), _head(noise)], _target(1.2 * told))
    assert found.weights[0, 0] > 0.5
    assert abs(found.weights[1, 0]) < 0.15


def test_two_causes_add_up() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 600))
    target = _target(first + second)
    together = stack([_head(first), _head(second)], target)
    alone = [stack([_head(score)], target) for score in (first, second)]
    quality = target.quality(together.held_out)
    assert quality > max(target.quality(one.held_out) for one in alone) + 0.05
    assert together.weights[0, 0] == pytest.approx(together.weights[1, 0], rel=0.2)


def test_twins_share_the_weight() -> None:
    score = np.random.default_rng(3).normal(size=300)
    found = stack([_head(score), _head(score)], _target(score))
    assert found.weights[0, 0] == pytest.approx(found.weights[1, 0])


class _First:
    """A head that scores by the first coordinate."""

    def scores(self, bags: Bags) -> np.ndarray:
        return bags.mean()[:, :1]


def test_a_head_that_knows_its_training_bags_by_heart_is_scaled_as_held_out() -> None:
    """Its scores spread wide on these, and narrowly on others: the narrow spread is the unit."""
    rng = np.random.default_rng(4)
    held_out = rng.normal(size=101)
    own = 8 * rng.normal(size=101) + 3
    head = replace(_head(held_out, own), head=_First(), held_out_spread=2.0)
    found = stack([head], _target(held_out))
    rows = rng.normal(size=(20, 2))
    bags = Bags(rows.astype(np.float32), np.ones(20, np.int64))
    expected = (rows[:, :1].astype(np.float32) - np.median(own)) / 2 * found.weights[0, 0]
    np.testing.assert_allclose(found.scores([bags]), expected, rtol=1e-6)


def test_tuning_tells_the_spread_of_what_is_held_out() -> None:
    """With as many coordinates as bags a ridge fits the training bags far better than others."""
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(60, 50))
    bags = Bags(rows.astype(np.float32), np.ones(60, np.int64))
    tuned = run_job(tune(PooledRidge("mean"), bags, _target(1.5 * rows[:, 0])))
    assert 0 < tuned.held_out_spread < 0.9 * tuned.own.std()
    scores = tuned.scores_as_held_out(bags)
    assert np.median(scores) == pytest.approx(0)
