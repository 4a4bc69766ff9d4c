"""Plain means over neighbours and over niches."""

import numpy as np
import pytest

from napari_haiku.analysis.biomarkers.readout import mean_of_neighbours, niche_means

EXPRESSION = np.array([[1.0, np.nan], [3.0, 10.0], [5.0, 20.0], [100.0, 100.0]], np.float32)


def test_neighbours_that_did_not_measure_are_skipped():
    mean = mean_of_neighbours(EXPRESSION, np.array([[0, 1], [1, 2]]))
    np.testing.assert_allclose(mean, [[2, 10], [4, 15]])


def test_a_missing_neighbour_is_no_last_row():
    mean = mean_of_neighbours(EXPRESSION, np.array([[0, -1], [-1, -1]]))
    np.testing.assert_allclose(mean, [[1, np.nan], [np.nan, np.nan]])


def test_many_patches_are_read_in_blocks_alike():
    rng = np.random.default_rng(0)
    expression = rng.normal(size=(500, 3)).astype(np.float32)
    neighbours = rng.integers(0, 500, (2500, 7))
    expected = expression[neighbours].astype(float).mean(axis=1)
    np.testing.assert_allclose(mean_of_neighbours(expression, neighbours), expected, atol=1e-6)


def test_niche_means_need_enough_patches_and_ignore_gaps():
    values = np.array([[1.0, 1.0], [3.0, np.nan], [5.0, 5.0], [7.0, 7.0]])
    niches = np.array([1, 1, 1, 2])
    means = niche_means(values, niches, (1, 2), least=3)
    assert means[0, 0] == pytest.approx(3)
    assert np.isnan(means[0, 1])
    assert np.isnan(means[1]).all()


def test_a_niche_without_patches_is_nan():
    assert np.isnan(niche_means(np.ones((2, 1)), np.array([1, 1]), (1, 2))[1]).all()
