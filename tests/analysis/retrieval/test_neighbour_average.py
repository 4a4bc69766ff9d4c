"""Weighted read-out of neighbours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_haiku.analysis.retrieval.neighbour_average import (
    average_neighbours,
    effective_counts,
    softmax_weights,
)

SIMILARITY = hnp.arrays(np.float32, (3, 6), elements=st.floats(-1, 1, width=32))


def weights_of(*rows):
    return np.array(rows, np.float64)


@given(SIMILARITY, st.floats(0.005, 5))
def test_softmax_weights_add_up_to_one_and_favour_the_alike(similarity, temperature):
    weights = softmax_weights(similarity, np.ones(similarity.shape, bool), temperature)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    for row, weight in zip(similarity, weights, strict=True):
        order = np.argsort(row)
        assert (np.diff(weight[order]) >= -1e-12).all()


def test_temperature_really_weights():
    similarity = np.array([[0.9, 0.85, 0.8]])
    there = np.ones((1, 3), bool)
    for temperature in (0.25, 0.5, 2.0):
        first, second, last = softmax_weights(similarity, there, temperature)[0]
        assert last / first == pytest.approx(np.exp(-1 / temperature))
        assert second / first == pytest.approx(np.exp(-0.5 / temperature))


def test_weights_do_not_depend_on_how_far_a_model_spreads_its_similarities():
    """One model's best fifty lie within 0.002 of each other; a fixed unit weighs them alike."""
    similarity = np.sort(np.random.default_rng(0).random((4, 50)))[:, ::-1]
    there = np.ones(similarity.shape, bool)
    wide = softmax_weights(similarity, there, 0.5)
    narrow = softmax_weights(0.15 + 0.002 * similarity, there, 0.5)
    np.testing.assert_allclose(wide, narrow, rtol=1e-9)


def test_neighbours_alike_to_the_last_digit_weigh_the_same():
    weights = softmax_weights(np.full((1, 4), 0.3), np.ones((1, 4), bool), 0.1)
    np.testing.assert_allclose(weights, 0.25)
    np.testing.assert_allclose(softmax_weights(np.ones((1, 1)), np.ones((1, 1), bool), 0.1), 1)


def test_a_missing_neighbour_weighs_nothing():
    weights = softmax_weights(np.array([[0.5, np.nan, 0.5]]), np.array([[True, False, True]]), 0.1)
    np.testing.assert_allclose(weights, [[0.5, 0, 0.5]])
    weights = softmax_weights(np.array([[0.5, 0.4, np.nan]]), np.array([[True, True, False]]), 1.0)
    np.testing.assert_allclose(weights[0, 1] / weights[0, 0], np.exp(-1))


def test_no_neighbour_gives_no_weight_and_no_warning():
    weights = softmax_weights(np.array([[np.nan, np.nan]]), np.zeros((1, 2), bool), 0.1)
    np.testing.assert_array_equal(weights, [[0, 0]])


def test_neighbours_that_did_not_measure_are_skipped():
    values = np.array([[[1.0, 10.0], [3.0, np.nan], [5.0, 20.0]]])
    average = average_neighbours(values, weights_of([0.5, 0.25, 0.25]), np.array([[0, 1, 2]]))
    np.testing.assert_allclose(average.mean, [[0.5 + 0.75 + 1.25, (10 * 2 + 20) / 3]])


def test_spread_is_the_weighted_standard_deviation():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(1, 5, 1))
    weight = rng.random((1, 5))
    weight /= weight.sum()
    average = average_neighbours(values, weight, np.arange(5)[None])
    centre = np.average(values[0, :, 0], weights=weight[0])
    expected = np.sqrt(np.average((values[0, :, 0] - centre) ** 2, weights=weight[0]))
    assert average.spread[0, 0] == pytest.approx(expected, rel=1e-6)


def test_a_marker_measured_by_nobody_is_nan_everywhere():
    average = average_neighbours(
        np.full((2, 3, 1), np.nan), weights_of([1, 0, 0], [1, 0, 0]), np.zeros((2, 3), int)
    )
    for column in (
        average.mean,
        average.spread,
        average.effective_neighbours,
        average.effective_patients,
    ):
        assert np.isnan(column).all()


def test_equal_weights_count_all_neighbours_and_all_patients():
    values = np.zeros((1, 6, 1))
    average = average_neighbours(values, np.full((1, 6), 1 / 6), np.array([[0, 0, 1, 1, 2, 2]]))
    assert average.effective_neighbours[0, 0] == pytest.approx(6)
    assert average.effective_patients[0, 0] == pytest.approx(3)
    neighbours, patients = effective_counts(np.full((1, 6), 1 / 6), np.array([[0, 0, 1, 1, 2, 2]]))
    assert neighbours[0] == pytest.approx(6)
    assert patients[0] == pytest.approx(3)


def test_effective_patients_of_a_marker_count_only_who_measured_it():
    values = np.array([[[1.0], [1.0], [np.nan], [np.nan]]])
    average = average_neighbours(values, np.full((1, 4), 0.25), np.array([[0, 0, 1, 2]]))
    assert average.effective_neighbours[0, 0] == pytest.approx(2)
    assert average.effective_patients[0, 0] == pytest.approx(1)


def test_no_neighbour_has_zero_effective_counts():
    neighbours, patients = effective_counts(np.zeros((1, 3)), np.full((1, 3), -1))
    assert neighbours[0] == patients[0] == 0


@given(
    hnp.arrays(np.float64, (2, 5, 3), elements=st.floats(-100, 100) | st.just(np.nan)),
    SIMILARITY.map(lambda table: table[:2, :5]),
    hnp.arrays(np.int64, (2, 5), elements=st.integers(0, 3)),
)
def test_means_stay_within_the_neighbours_and_counts_within_k(values, similarity, patients):
    weights = softmax_weights(similarity, np.ones(similarity.shape, bool), 0.1)
    average = average_neighbours(values, weights, patients)
    for patch in range(2):
        for marker in range(3):
            seen = values[patch, np.isfinite(values[patch, :, marker]), marker]
            mean = average.mean[patch, marker]
            if not len(seen):
                assert np.isnan(mean)
                continue
            assert seen.min() - 1e-3 <= mean <= seen.max() + 1e-3
            assert average.spread[patch, marker] >= 0
            count = average.effective_neighbours[patch, marker]
            assert 1 - 1e-5 <= average.effective_patients[patch, marker] <= count + 1e-4
            assert count <= len(seen) + 1e-4
