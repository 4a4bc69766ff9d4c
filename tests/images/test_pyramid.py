from __future__ import annotations

import itertools
import pickle

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_haiku.images import pyramid
from napari_haiku.images.lazy import lazy_array
from napari_haiku.images.pyramid import with_coarser_levels


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyramid, "LARGEST_OVERVIEW_SIDE", 16)


def test_levels_are_means_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.arange(2 * 40 * 50, dtype=np.float32).reshape(2, 40, 50)
    levels = with_coarser_levels([da.from_array(pixels, chunks=(1, 7, 9))], rgb=False)
    assert [level.shape for level in levels] == [(2, 40, 50), (2, 20, 25), (2, 10, 12)]
    expected = pixels.reshape(2, 20, 2, 25, 2).mean(axis=(2, 4))
    assert np.allclose(levels[1].compute(), expected)


def test_integers_are_rounded_and_keep_their_type() -> None:
    pixels = np.zeros((34, 34, 3), np.uint8)
    pixels[::2, ::2] = 3
    level = with_coarser_levels([da.from_array(pixels)], rgb=True)[1].compute()
    assert (level.dtype, level.shape) == (np.uint8, (17, 17, 3))
    assert (level == 1).all()


def test_what_is_small_enough_stays_as_it_is() -> None:
    levels = [da.zeros((3, 16, 16))]
    assert with_coarser_levels(levels, rgb=False) == tuple(levels)


def test_missing_values_stay_missing() -> None:
    pixels = np.ones((1, 32, 32), np.float32)
    pixels[0, 4, 4] = np.nan
    level = with_coarser_levels([da.from_array(pixels)], rgb=False)[1].compute()
    assert np.argwhere(np.isnan(level)).tolist() == [[0, 2, 2]]


def test_a_coarse_level_is_made_once() -> None:
    reads = []

    class Counted:
        shape, dtype, ndim = (40, 40, 3), np.dtype(np.uint8), 3

        def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
            reads.append(key)
            return np.ones(self.shape, self.dtype)[key]

    source = lazy_array(Counted(), (40, 40, 3))
    levels = with_coarser_levels([source], rgb=True)
    assert not reads
    for _ in range(3):
        levels[1].compute()
    assert len(reads) == 1


def test_levels_too_large_to_keep_are_computed_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyramid, "KEPT_BYTES", 10)
    pixels = np.arange(40 * 40, dtype=np.uint16).reshape(1, 40, 40)
    kept = with_coarser_levels([da.from_array(pixels)], rgb=False)
    assert kept[1].compute()[0, 0, 0] == round(np.mean([0, 1, 40, 41]))


@settings(max_examples=15)
@given(st.integers(17, 90), st.integers(17, 90), st.integers(20, 60), st.booleans())
def test_any_sides_and_blocks(rows: int, columns: int, chunk: int, rgb: bool) -> None:
    shape = (rows, columns, 3) if rgb else (2, rows, columns)
    pixels = np.random.default_rng(0).random(shape)
    chunks = (chunk, chunk, 3) if rgb else (1, chunk, chunk)
    pyramid.LARGEST_OVERVIEW_SIDE, before = 16, pyramid.LARGEST_OVERVIEW_SIDE
    levels = with_coarser_levels([da.from_array(pixels, chunks=chunks)], rgb=rgb)
    pyramid.LARGEST_OVERVIEW_SIDE = before
    for finer, coarser in itertools.pairwise(levels):
        axis = 0 if rgb else 1
        assert coarser.shape[axis] == finer.shape[axis] // 2
        assert coarser.shape[axis + 1] == finer.shape[axis + 1] // 2
        assert coarser.compute().shape == coarser.shape


def test_a_coarse_level_travels_to_another_process() -> None:
    level = with_coarser_levels([da.ones((40, 40, 3), dtype="u1")], rgb=True)[1]
    again = pickle.loads(pickle.dumps(level))  # noqa: S301
    assert (again.compute() == 1).all()
