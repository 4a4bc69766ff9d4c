"""Averaging over grid neighbours."""

import numpy as np
import pytest

from napari_haiku.analysis.niches.grid_smoothing import smooth_over_neighbours, step_between


def grid(ny, nx, step=100.0):
    y, x = np.mgrid[:ny, :nx]
    return np.stack([x.ravel(), y.ravel()], axis=1) * step


def test_inner_patch_is_the_mean_of_nine_corner_of_four():
    values = np.arange(9.0)[:, None]
    smooth = smooth_over_neighbours(values, grid(3, 3), 100.0)
    assert smooth[4, 0] == pytest.approx(4)
    assert smooth[0, 0] == pytest.approx(np.mean([0, 1, 3, 4]))


def test_patches_further_than_the_diagonal_are_not_heard():
    centres = np.array([[0.0, 0.0], [200.0, 0.0]])
    smooth = smooth_over_neighbours(np.array([[1.0], [5.0]]), centres, 100.0)
    np.testing.assert_allclose(smooth[:, 0], [1, 5])


def test_holes_in_the_tissue_do_not_count_as_zero():
    smooth = smooth_over_neighbours(np.full((8, 2), 7.0), np.delete(grid(3, 3), 4, axis=0), 100.0)
    np.testing.assert_allclose(smooth, 7)


def test_step_is_found_in_spite_of_holes():
    assert step_between(np.delete(grid(6, 6, 50.0), [3, 7, 20], axis=0)) == pytest.approx(50)


def test_one_patch_alone():
    assert step_between(np.zeros((1, 2))) == 1.0
    np.testing.assert_allclose(smooth_over_neighbours(np.ones((1, 3)), np.zeros((1, 2)), 1.0), 1)
