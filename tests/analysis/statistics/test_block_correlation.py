"""Intervals of a correlation over blocks of tissue."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_haiku.analysis.statistics.block_correlation import block_limits
from napari_haiku.analysis.statistics.correlation import pearson_columns


def tissue(seed, side=20, r=0.6, blocky=0.0):
    rng = np.random.default_rng(seed)
    at = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2) * 100.0 + 50
    own = rng.normal(size=(2, len(at)))
    shared = rng.normal(size=(2, (side // 5 + 1) ** 2))
    block = (at[:, 0] // 500 * (side // 5 + 1) + at[:, 1] // 500).astype(int)
    x, e = np.sqrt(1 - blocky) * own + np.sqrt(blocky) * shared[:, block]
    return at, x[:, None], (r * x + np.sqrt(1 - r**2) * e)[:, None]


def test_limits_lie_around_r_and_repeat():
    at, x, y = tissue(0)
    low, high = block_limits(x, y, at)
    assert low[0] < pearson_columns(x, y)[0] < high[0]
    assert block_limits(x, y, at)[0] == low
    assert block_limits(x * 1e-3 + 1e6, y, at)[0] == pytest.approx(low, abs=1e-5)


def test_nominal_limits_hold_the_true_r_also_where_patches_of_a_block_are_alike():
    held, narrow = [], []
    for seed in range(120):
        at, x, y = tissue(seed, blocky=0.5)
        low, high = block_limits(x, y, at, resamples=200)
        held.append(low[0] <= 0.6 <= high[0])
        one = np.tanh(np.arctanh(pearson_columns(x, y)[0]) + np.array([-1.96, 1.96]) / 397**0.5)
        narrow.append(one[0] <= 0.6 <= one[1])
    assert np.mean(held) > 0.83
    assert np.mean(narrow) < np.mean(held) - 0.1


def test_few_blocks_constant_and_unknown_columns_have_none():
    at, x, y = tissue(1)
    assert np.isnan(block_limits(x, y, at / 10)[0]).all()
    odd = np.concatenate([np.full_like(x, 0.1), np.full_like(x, np.nan), x], axis=1)
    low, high = block_limits(odd, np.repeat(y, 3, axis=1), at)
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [True, True, False]
    assert np.isnan(block_limits(x[:0], y[:0], at[:0])[0]).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_limits_are_correlations_in_order(seed):
    rng = np.random.default_rng(seed)
    at = rng.uniform(0, 4000, size=(60, 2))
    x, y = rng.normal(size=(2, 60, 2))
    x[rng.uniform(size=x.shape) < 0.2] = np.nan
    low, high = block_limits(x, y, at, resamples=50)
    assert (low[np.isfinite(low)] <= high[np.isfinite(low)]).all()
    assert (np.abs(low[np.isfinite(low)]) <= 1).all()
