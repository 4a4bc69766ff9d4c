"""Left and right parts of a slide."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.analysis.retrieval.region_split import split_left_right
from napari_haiku.errors import HaikuError

ROW = np.array([[x, 50.0] for x in range(50, 1050, 100)], float)


def test_halves():
    left, right = split_left_right(ROW)
    assert left.tolist() == [True] * 5 + [False] * 5
    assert (left ^ right).all()


def test_gap_belongs_to_neither():
    left, right = split_left_right(ROW, gap_um=400)
    assert (~left & ~right).any()
    apart = ROW[right, 0].min() - ROW[left, 0].max()
    assert apart >= 400


@given(st.floats(0.2, 0.8), st.floats(0, 200))
def test_no_patch_is_in_both(at, gap):
    left, right = split_left_right(ROW, at=at, gap_um=gap)
    assert not (left & right).any()
    assert ROW[left, 0].max() < ROW[right, 0].min()


def test_a_slide_one_patch_wide_cannot_be_cut():
    with pytest.raises(HaikuError, match="too narrow"):
        split_left_right(np.array([[50.0, 50.0], [50.0, 150.0]]))


def test_no_patch_at_all_cannot_be_cut():
    with pytest.raises(HaikuError, match="too narrow"):
        split_left_right(np.empty((0, 2)))
