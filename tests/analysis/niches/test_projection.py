"""Patches laid out on a plane."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors
from toy_cohort import toy_slide, write_slide

from napari_haiku.analysis.counterfactual.result_tables import read_notes
from napari_haiku.analysis.niches.nearest_points import nearest_points
from napari_haiku.analysis.niches.niche_slides import NicheSlide
from napari_haiku.analysis.niches.projection import (
    ProjectionRequest,
    project_atlas,
    project_encodings,
    project_slides,
)
from napari_haiku.analysis.niches.umap_map import place_beside, principal_components
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job


def cloud(n, seed=0, islands=3, dim=12):
    rng = np.random.default_rng(seed)
    island = rng.integers(0, islands, n)
    vectors = rng.normal(size=(n, dim)) * 0.3 + 5 * np.eye(islands, dim)[island]
    return vectors.astype(np.float32), island


def slide_of(vectors):
    n = len(vectors)
    return NicheSlide(np.arange(n), np.zeros((n, 2)), vectors, (), None)


@pytest.fixture(scope="module")
def laid():
    """400 patches on three islands; fitted on 150, the rest placed."""
    vectors, island = cloud(400)
    request = ProjectionRequest(fit_on=150, seed=3)
    return vectors, island, run_job(project_slides([slide_of(vectors)], request)), request


def test_every_patch_has_a_place_and_islands_stay_apart(laid):
    _, island, result, _ = laid
    assert result.points.shape == (400, 2)
    assert result.points.dtype == np.float32
    assert np.isfinite(result.points).all()
    assert result.fitted.sum() == 150
    nearest = NearestNeighbors(n_neighbors=6).fit(result.points).kneighbors(result.points)[1]
    assert (island[nearest] == island[:, None]).mean() > 0.98


def test_the_placed_lie_where_their_neighbours_are(laid):
    vectors, _, result, _ = laid
    assert trustworthiness(vectors, result.points, n_neighbors=10) > 0.8


def test_an_exact_repeat_is_exact(laid):
    vectors, _, result, request = laid
    again = run_job(project_slides([slide_of(vectors)], request))
    np.testing.assert_array_equal(result.points, again.points)


def test_fast_gives_a_map_too():
    vectors, island = cloud(60)
    result = run_job(project_slides([slide_of(vectors)], ProjectionRequest(repeat="fast")))
    centres = np.stack([result.points[island == number].mean(axis=0) for number in range(3)])
    own = np.linalg.norm(result.points[:, None] - centres, axis=2).argmin(axis=1)
    assert (own == island).mean() > 0.95


def test_slides_are_drawn_evenly_and_keep_their_order():
    large, small = slide_of(cloud(300)[0]), slide_of(cloud(20, seed=1)[0])
    result = run_job(project_slides([large, small], ProjectionRequest(fit_on=60)))
    assert result.fitted[:300].sum() == 40
    assert result.fitted[300:].all()
    assert result.of(0).shape == (300, 2)
    np.testing.assert_array_equal(result.of(1), result.points[300:])


def test_a_patch_without_a_vector_has_no_place():
    vectors = cloud(40)[0]
    vectors[3], vectors[7] = 0, np.nan
    result = run_job(project_slides([slide_of(vectors)], ProjectionRequest()))
    missing = np.flatnonzero(np.isnan(result.points).any(axis=1))
    assert missing.tolist() == [3, 7]


def test_saved_table(tmp_path, encodings):
    result = run_job(project_encodings(encodings[:2], ProjectionRequest(modality="both", seed=4)))
    result.save(tmp_path)
    table = pd.read_parquet(tmp_path / "projection.parquet")
    assert list(table.columns) == ["patch", "x_um", "y_um", "u", "v", "fitted", "slide"]
    np.testing.assert_array_equal(table.loc[table["slide"] == 2, ["u", "v"]], result.of(1))
    notes = read_notes(tmp_path / "projection.parquet")
    assert notes["seed"] == 4
    assert notes["repeat"] == "exact"
    assert "Only who lies beside whom" in notes["caution"]


def test_of_an_atlas(atlas):
    result = run_job(project_atlas(atlas, ProjectionRequest(fit_on=100)))
    assert len(result) == len(atlas)
    assert len(result.slides) == atlas.n_slides


def test_too_little_tissue_is_refused(tmp_path, query):
    with pytest.raises(HaikuError, match="9 patches, too few for a map"):
        run_job(project_slides([slide_of(cloud(9)[0])], ProjectionRequest()))
    same = np.ones((30, 4), np.float32)
    with pytest.raises(HaikuError, match="all the same"):
        run_job(project_slides([slide_of(same)], ProjectionRequest()))
    slide = toy_slide(np.random.default_rng(0), 0.0, (6, 9))
    he = write_slide(tmp_path / "plain.zarr", slide, {}, patient="p", modalities=("he",))
    with pytest.raises(HaikuError, match=r"plain\.zarr does not have mIF"):
        run_job(project_encodings([he], ProjectionRequest(modality="mif")))


@pytest.mark.parametrize(
    "bad",
    [
        {"repeat": "sometimes"},
        {"neighbours": 1},
        {"components": 0},
        {"min_dist": -1},
        {"fit_on": 3},
        {"seed": -1},
    ],
)
def test_impossible_requests_are_refused(bad):
    with pytest.raises(HaikuError):
        ProjectionRequest(**bad)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 999))
def test_nearest_points_are_those_of_scikit_learn(n, k, seed):
    rng = np.random.default_rng(seed)
    points, queries = rng.normal(size=(n, 3)).astype("f4"), rng.normal(size=(7, 3)).astype("f4")
    k = min(k, n)
    found, apart = run_job(nearest_points(queries, points, k, ""))
    reference = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points)
    expected, where = reference.kneighbors(queries)
    np.testing.assert_allclose(apart, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found, where)


def test_main_directions_keep_distances_and_do_not_depend_on_signs():
    vectors = cloud(50, dim=6)[0]
    flat = principal_components(vectors, np.arange(50), 6)
    between = np.linalg.norm(flat[:, None] - flat, axis=2)
    np.testing.assert_allclose(
        between, np.linalg.norm(vectors[:, None] - vectors, axis=2), rtol=1e-4, atol=1e-4
    )
    spread = flat.std(axis=0)
    assert (np.diff(spread) <= 1e-4).all()


def test_nothing_is_laid_between_two_islands():
    fitted_at = np.array([[0, 0], [0, 1], [0, 2], [100, 0], [100, 1]], np.float32)
    vectors = np.array([[0, 0], [0, 0.1], [0, 0.2], [1, 0], [1, 0.1]], np.float32)
    between = np.array([[0.45, 0.1]], np.float32)
    placed = run_job(place_beside(between, vectors, fitted_at, neighbours=5))
    assert placed[0, 0] < 5
