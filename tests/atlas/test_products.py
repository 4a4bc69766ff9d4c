from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.atlas import products
from napari_haiku.atlas.products import NumpyProduct, TorchProduct


def made(name):
    return NumpyProduct() if name == "numpy" else TorchProduct(name)


@pytest.mark.parametrize("name", ["numpy", "float32", "bfloat16"])
@given(st.integers(0, 2**32 - 1), st.floats(-8, 4))
def test_no_score_is_further_off_than_its_bound(name, seed, exponent):
    rng = np.random.default_rng(seed)
    product = made(name)
    queries = (10.0**exponent * rng.normal(size=(7, 33))).astype(np.float32)
    vectors = rng.normal(size=(50, 33)).astype(np.float16)
    left, right = product.operand(queries), product.operand(vectors)
    bound = product.error(left, float(right.length.max()), float(right.residual.max(initial=0)))
    true = queries.astype(np.float64) @ vectors.astype(np.float64).T
    assert (np.abs(product.scores(left, right) - true) <= bound[:, None]).all()


@pytest.mark.parametrize("name", ["numpy", "float32", "bfloat16"])
def test_nobody_who_reaches_the_floor_is_missed(name):
    rng = np.random.default_rng(3)
    product = made(name)
    left = product.operand(rng.normal(size=(9, 16)).astype(np.float32))
    right = product.operand(rng.normal(size=(200, 16)).astype(np.float16))
    fast = product.scores(left, right)
    floor = np.quantile(fast, 0.9, axis=1).astype(np.float32)
    query, place, score = product.above(left, right, floor)
    reached = {(int(q), int(p)) for q, p in zip(*np.nonzero(fast >= floor[:, None]), strict=True)}
    assert reached <= set(zip(query.tolist(), place.tolist(), strict=True))
    np.testing.assert_array_equal(score, fast[query, place])
    assert (np.diff(query) >= 0).all()


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=20))
def test_a_floor_in_16_bits_is_never_higher(values):
    given_ = np.asarray(values, np.float32)
    lowered = products._down(given_)
    assert (lowered <= given_).all()
    assert not (lowered.view(np.uint32) & 0xFFFF).any()


def test_small_work_is_numpys():
    assert isinstance(products.choose_product(1000, 64), NumpyProduct)


def test_large_work_goes_to_what_is_fastest_here_and_keeps_its_word():
    product = products.choose_product(1e9, 1024)
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(64, 256)).astype(np.float32)
    block = rng.normal(size=(300, 256)).astype(np.float32)
    true = queries.astype(np.float64) @ block.T
    assert products._keeps_its_word(product, queries, block, true)
    assert "bfloat16" not in products.accurate_product(product).name
