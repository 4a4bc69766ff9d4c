"""The measures against the golden set of the objectives."""

import os
from pathlib import Path

import numpy as np
import pytest

from napari_haiku.evaluation import geometry_measures as measures
from napari_haiku.evaluation.ranks import paired_ranks
from napari_haiku.jobs import run_job

FOLDER = Path(
    os.environ.get("HAIKU_GOLDEN_OBJECTIVES") or Path(__file__).parents[1] / "golden_objectives"
)


def golden(name: str) -> dict[str, np.ndarray]:
    file = FOLDER / f"{name}.npz"
    if not file.exists():
        pytest.skip(f"{name}.npz is not here: set HAIKU_GOLDEN_OBJECTIVES to its folder.")
    with np.load(file) as stored:
        return {key: stored[key] for key in stored.files}


@pytest.fixture(scope="module")
def numbers():
    return golden("geometry_and_asymmetry_metrics")


@pytest.fixture(scope="module")
def towers(numbers):
    return [measures.unit(numbers[f"x{tower}"]) for tower in range(3)]


def test_geometry(numbers, towers):
    a, b, _ = towers
    for found, name in (
        (measures.centroid_gap(a, b), "centroid_gap"),
        (measures.paired_cosine_distance(a, b), "paired_cosine_distance"),
        (measures.uniformity(a), "uniformity_x0"),
        (measures.alignment(a, b), "alignment"),
        (measures.effective_rank(a), "effective_rank_x0"),
        (measures.anisotropy(a), "anisotropy_x0"),
        (measures.linear_cka(a, b), "linear_cka"),
        (measures.mutual_neighbours(a, b, 5).mean(), "mutual_knn5"),
    ):
        assert found == pytest.approx(float(numbers[name]), abs=1e-6), name


def test_linear_separability(numbers, towers):
    even = np.arange(len(towers[0])) % 2 == 0
    right = measures.linear_separability(towers[0], towers[1], even)
    assert right.mean() == pytest.approx(float(numbers["linear_separability"]))


def test_recall_median_rank_and_asymmetry(numbers, towers):
    recall, rank = np.zeros((3, 3)), np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            if i != j:
                ranks = run_job(paired_ranks(towers[i], towers[j]))
                recall[i, j] = ranks.hit(5).mean()
                rank[i, j] = np.sort(ranks.rank())[(len(towers[0]) - 1) // 2]
    assert recall == pytest.approx(numbers["recall5_matrix"])
    assert rank == pytest.approx(numbers["median_rank_matrix"])
    asymmetry = measures.mean_abs_asymmetry(recall)
    assert asymmetry == pytest.approx(float(numbers["mean_abs_asymmetry"]))
    assert measures.query_bias(recall) == pytest.approx(numbers["query_bias"])


def test_mean_rank_variance():
    one_to_k = golden("one_to_k")
    found = measures.mean_rank_variance(one_to_k["ranks"])
    assert found == pytest.approx(float(one_to_k["mrv"]))
    image, text = measures.unit(one_to_k["image"]), measures.unit(one_to_k["text"])
    scores = text @ image.T
    own = scores[np.arange(18), np.arange(18) // 3]
    ranks = (scores > own[:, None]).sum(axis=1).reshape(6, 3) + 1
    assert (ranks == one_to_k["ranks"]).all()
