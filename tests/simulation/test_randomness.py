"""Streams keyed by use."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.simulation.randomness import Lots, stream

KEYS = st.tuples(
    st.integers(0, 2**31), st.integers(0, 2**20), st.sampled_from(["a", "b", "glands"])
)


@given(KEYS)
def test_the_same_key_gives_the_same_numbers(key: tuple[int, int, str]) -> None:
    assert np.array_equal(stream(*key).random(5), stream(*key).random(5))


@given(KEYS, KEYS)
def test_other_keys_give_other_numbers(
    first: tuple[int, int, str], second: tuple[int, int, str]
) -> None:
    same = np.array_equal(stream(*first).random(5), stream(*second).random(5))
    assert same == (first == second)


def test_further_keys_open_streams_of_their_own() -> None:
    numbers = [stream(1, 2, "noise", key).random() for key in range(20)]
    assert len(set(numbers)) == 20


def test_a_cell_keeps_its_numbers_whatever_other_cells_there_are() -> None:
    all_cells = Lots(3, 1, np.arange(50), 50)
    some_cells = Lots(3, 1, np.array([4, 17, 49]), 50)
    for draw in ("uniform", "normal"):
        everyone = getattr(all_cells, draw)("size", 3)
        assert np.array_equal(getattr(some_cells, draw)("size", 3), everyone[[4, 17, 49]])
