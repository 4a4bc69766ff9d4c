"""Patient means within niches, and sorting by nearest centroid."""

import numpy as np

from napari_haiku.analysis.niches.nearest_centroid import assign_to_nearest, niche_centroids
from napari_haiku.analysis.statistics.patient_means import patient_niche_means


def test_agrees_with_a_loop():
    rng = np.random.default_rng(0)
    n = 400
    values = rng.normal(size=(n, 3))
    values[rng.random((n, 3)) < 0.2] = np.nan
    patients = rng.integers(-1, 5, n)
    places = rng.integers(-1, 4, n)
    means = patient_niche_means(values, patients, places, n_patients=5, n_niches=4)
    for patient in range(5):
        for niche in range(4):
            rows = values[(patients == patient) & (places == niche)]
            for marker in range(3):
                known = rows[np.isfinite(rows[:, marker]), marker]
                expected = known.mean() if len(known) >= 3 else np.nan
                np.testing.assert_allclose(means[patient, niche, marker], expected)


def test_two_patches_are_too_few():
    means = patient_niche_means(
        np.ones((2, 1)), np.zeros(2, int), np.zeros(2, int), n_patients=1, n_niches=1
    )
    assert np.isnan(means).all()


def test_nearest_centroid_by_distance_not_by_dot_product():
    centroids = np.array([[1.0, 0.0], [3.0, 0.0]], np.float32)
    vectors = np.array([[1.2, 0.0], [2.9, 1.0], [1.9, 0.0]], np.float16)
    assert assign_to_nearest(vectors, centroids).tolist() == [0, 1, 0]


def test_vectors_of_slides_without_the_modality_belong_nowhere():
    vectors = np.array([[0.0, 0.0], [np.nan, 1.0], [1.0, 0.0]], np.float32)
    assert assign_to_nearest(vectors, np.eye(2, dtype=np.float32)).tolist() == [-1, -1, 0]


def test_centroids_are_means_in_the_order_asked_for():
    vectors = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 5.0]])
    centroids = niche_centroids(vectors, np.array([2, 2, 1]), (1, 2))
    np.testing.assert_allclose(centroids, [[0, 5], [2, 0]])
