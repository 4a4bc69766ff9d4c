from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_haiku.viewer.layers.hatching import edges, hatching, pixels_per_patch


def test_two_lines_cross_each_hatched_patch():
    picture = hatching(np.array([[True]]), 8)
    top_row = picture[0, :, 3] > 0
    assert np.count_nonzero(np.diff(top_row.astype(int), prepend=0) == 1) == 2
    white = (picture[..., :3] == 255).all(axis=2) & top_row.any()
    assert np.count_nonzero(np.diff(white[0].astype(int), prepend=0) == 1) == 2
    # Beside each a dark one, for pale tissue and a white canvas.
    dark = (picture[..., 3] > 0) & ~white
    np.testing.assert_array_equal(dark[0, 1:], white[0, :-1])
    assert (picture[dark][:, :3] < 30).all()


def test_lines_rise_at_45_degrees():
    picture = hatching(np.array([[True]]), 8)[..., 3] > 0
    np.testing.assert_array_equal(picture[0, 1:], picture[1, :-1])


def test_lines_run_on_into_the_next_patch():
    wide = hatching(np.ones((2, 2), bool), 8)
    np.testing.assert_array_equal(wide[:8, :8], wide[8:, 8:])
    np.testing.assert_array_equal(wide[:8, :8], wide[:8, 8:])


@given(arrays(bool, (3, 4)), st.sampled_from([4, 8]))
def test_nothing_is_drawn_outside_the_mask_and_something_in_each_patch(mask, pixels):
    alpha = hatching(mask, pixels)[..., 3]
    assert alpha.shape == (3 * pixels, 4 * pixels)
    by_patch = alpha.reshape(3, pixels, 4, pixels).max(axis=(1, 3)) > 0
    np.testing.assert_array_equal(by_patch, mask)


def test_large_grids_are_drawn_coarser():
    assert pixels_per_patch((400, 400)) == 8
    assert pixels_per_patch((401, 400)) == 4


def test_edges_are_drawn_between_labels_and_at_the_rim():
    drawn = edges(np.array([[1, 1, 2]]), 8)[..., 3] > 0
    assert drawn[:, 0].all()
    assert drawn[:, 23].all()
    assert drawn[0].all()
    assert drawn[:, 15].all()
    assert drawn[:, 16].all()
    assert not drawn[1:7, 1:15].any()


def test_no_edge_is_drawn_on_glass():
    drawn = edges(np.array([[0, 1, 0]]), 8)[..., 3] > 0
    assert not drawn[:, :8].any()
    assert not drawn[:, 16:].any()
    assert drawn[:, 8].all()
