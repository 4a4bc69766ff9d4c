"""A stack weighs heads by what their held-out scores tell."""

from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.analysis.outcome.mil import TunedHead
from napari_haiku.analysis.outcome.mil_stacking import stack
from napari_haiku.analysis.outcome.mil_targets import SurvivalTarget
from napari_haiku.analysis.outcome.survival_times import SurvivalTimes


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


def test_the_median_of_the_training_bags_is_zero() -> None:
    rng = np.random.default_rng(4)
    held_out, own = rng.normal(size=(2, 101))
    head = _head(held_out, own + 3)
    found = stack([head, head], _target(held_out))
    assert np.median(found.scores([head.scores(), head.scores()])) == pytest.approx(0)
