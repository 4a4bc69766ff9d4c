from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.atlas import index as module
from napari_haiku.atlas import index_build
from napari_haiku.atlas.build import build_atlas
from napari_haiku.atlas.index import IndexPlan, VectorIndex
from napari_haiku.atlas.index_build import Vectors, build_index, index_wanted, make_index
from napari_haiku.atlas.ranking import Gap, best_rows
from napari_haiku.atlas.search import Exclusion, search
from napari_haiku.atlas.store import Atlas
from napari_haiku.jobs import run_job

N, DIM = 6000, 48


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An index of 6,000 vectors of which every tenth row has none."""
    pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    spread = 1 / np.sqrt(np.arange(DIM) + 3)
    centres = rng.normal(size=(60, DIM)) * spread
    gallery = centres[rng.integers(0, 60, N)] + 1.2 * rng.normal(size=(N, DIM)) * spread
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    gallery = gallery.astype(np.float16)
    rows = np.flatnonzero(np.arange(N) % 10)
    queries = gallery[rng.integers(0, N, 80)] + 0.05 * rng.normal(size=(80, DIM))
    vectors = Vectors(gallery, rows, queries.astype(np.float32), "hash")
    folder = tmp_path_factory.mktemp("index")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_build, "_DIRECTIONS", (16, 32))
        plan = run_job(make_index(folder, "mif", vectors))
    return folder, vectors, plan


@pytest.fixture
def index(made, monkeypatch):
    monkeypatch.setattr(module, "EXACT_ROWS", 100)
    folder, _, plan = made
    return VectorIndex.open(folder, "mif", plan)


def recall(found, truth):
    return np.mean([np.isin(a[a >= 0], b).mean() for a, b in zip(found, truth, strict=True)])


def test_the_plan_says_what_was_measured(made):
    folder, vectors, plan = made
    assert plan.rows == len(vectors.rows)
    assert plan.recall_at_50 >= 0.97
    assert plan.probes == tuple(sorted(plan.probes))
    assert plan.file["bytes"] == (folder / "index_mif.faiss").stat().st_size
    assert IndexPlan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.05])
def test_filtered_search_keeps_its_recall(index, made, share):
    _, vectors, _ = made
    rng = np.random.default_rng(7)
    kept = np.zeros(N, bool)
    kept[vectors.rows[rng.random(len(vectors.rows)) < share]] = True
    queries = vectors.queries[::2] + np.float32(0.01)
    found, scores = index.search(queries, vectors.gallery, kept, 20)
    truth, exact = best_rows(queries, vectors.gallery, np.flatnonzero(kept), 20)
    assert recall(found, truth) >= 0.96
    assert kept[found].all()
    same = found == truth
    np.testing.assert_array_equal(scores[same], exact[same])


def test_codes_alone_find_most(index, made):
    """Without reading every list, and few candidates beside the hits."""
    _, vectors, _ = made
    found = index.candidates(vectors.queries, None, N, 20, lists=index.plan.lists, wanted=60)
    truth = best_rows(vectors.queries, vectors.gallery, vectors.rows, 20)[0]
    assert recall(truth, found) > 0.9


def test_few_rows_are_searched_exactly(index, made):
    _, vectors, _ = made
    kept = np.zeros(N, bool)
    kept[vectors.rows[:90]] = True
    found = index.search(vectors.queries, vectors.gallery, kept, 20)
    truth = best_rows(vectors.queries, vectors.gallery, np.flatnonzero(kept), 20)
    np.testing.assert_array_equal(found[0], truth[0])
    np.testing.assert_array_equal(found[1], truth[1])


def test_a_gap_is_kept_and_short_answers_are_filled_exactly(index, made):
    _, vectors, _ = made
    kept = np.zeros(N, bool)
    kept[vectors.rows] = True
    places = np.arange(N)[:, None] * np.ones(2)
    asked = np.full((len(vectors.queries), 2), 100.0)
    gap = Gap(vectors.rows, places[vectors.rows], asked, 5000.0)
    found, _ = index.search(vectors.queries, vectors.gallery, kept, 20, gap=gap)
    assert (found > 100 + 5000 / np.sqrt(2) - 1).all()


def test_an_index_that_cannot_be_read_is_none(made, tmp_path):
    _, _, plan = made
    assert VectorIndex.open(tmp_path, "mif", plan) is None
    (tmp_path / "index_mif.faiss").write_bytes(b"x" * plan.file["bytes"])
    np.save(tmp_path / "index_mif_directions.npy", np.eye(3))
    assert VectorIndex.open(tmp_path, "mif", plan) is None


@pytest.fixture
def indexed(built, tmp_path, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(module, "EXACT_ROWS", 5)
    monkeypatch.setattr(index_build, "_K", 5)
    run_job(build_atlas(built.encodings, tmp_path / "a"))
    return run_job(build_index(Atlas.open(tmp_path / "a"), threshold=20))


def test_an_atlas_remembers_its_index_and_searches_with_it(indexed, built):
    assert indexed.info()["index"]["kind"] == "ivf8"
    assert indexed.info()["index"]["recall_at_50"] > 0.9
    assert index_wanted(indexed, threshold=20) == ()
    query = built.encodings[0].embeddings("he")
    exclude = Exclusion(patient_id="C")
    found = search(indexed, query, k=3, exclude=exclude)
    assert found.method == "ivf8"
    exact = search(indexed, query, k=3, exclude=exclude, exact=True)
    assert exact.method == "exact"
    assert recall(found.indices, exact.indices) > 0.9
    assert not np.isin(
        indexed.slides["patient_id"].to_numpy()[indexed.slide_index[found.indices]], "C"
    ).any()


def test_an_index_is_a_cache(indexed, built, monkeypatch):
    query = built.encodings[0].embeddings("he")
    (indexed.path / "index_mif.faiss").unlink()
    lost = Atlas.open(indexed.path)
    assert search(lost, query, k=3).method == "exact"
    assert index_wanted(lost, threshold=20) == ("mif",)
    again = run_job(build_index(lost, threshold=20))
    assert search(again, query, k=3).method == "ivf8"
    monkeypatch.setattr(module, "can_index", lambda: False)
    assert search(Atlas.open(indexed.path), query, k=3).method == "exact"


def test_without_faiss_nothing_is_built(built, monkeypatch):
    monkeypatch.setattr(index_build, "can_index", lambda: False)
    assert index_wanted(built.atlas, threshold=1) == ()
    assert run_job(build_index(built.atlas, threshold=1)) is built.atlas


def test_small_atlases_need_none(built):
    assert index_wanted(built.atlas) == ()


def test_more_lists_are_read_the_fewer_rows_may_answer():
    plan = IndexPlan(1000, 8, 64, (4, 10, 20, 30), 200, 0.98, 1.0, "", {})
    read = [plan.lists_to_read(kept) for kept in (1000, 999, 600, 300, 100, 30, 29)]
    assert read == sorted(read)
    assert (read[0], read[3], read[4], read[5], read[6]) == (4, 10, 20, 30, 64)
    assert read[1] == 5


def test_codes_of_many_directions_rank_as_the_vectors_do(tmp_path):
    """As long as faiss's fastest comparison takes, which cuts queries to 8 bits."""
    pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(1500, 256)) / np.sqrt(np.arange(256) + 20)
    gallery = (gallery / np.linalg.norm(gallery, axis=1, keepdims=True)).astype(np.float16)
    queries = (gallery[:40] + 0.03 * rng.normal(size=(40, 256))).astype(np.float32)
    vectors = Vectors(gallery, np.arange(1500), queries, "hash")
    plan = run_job(make_index(tmp_path, "mif", vectors))
    index = VectorIndex.open(tmp_path, "mif", plan)
    found = index.candidates(queries, None, 1500, 50, lists=plan.lists, wanted=70)
    truth = best_rows(queries, gallery, np.arange(1500), 50)[0]
    assert recall(truth, found) > 0.97


@pytest.mark.parametrize(("asked", "threads"), [(1, 2), (80, 4)])
def test_a_few_questions_leave_half_of_the_threads(index, made, monkeypatch, asked, threads):
    faiss = pytest.importorskip("faiss")
    _, vectors, _ = made
    before = faiss.omp_get_max_threads()
    codes, seen = index._codes, []

    class Watched:
        def search(self, *given, **how):
            seen.append(faiss.omp_get_max_threads())
            return codes.search(*given, **how)

    monkeypatch.setattr(index, "_codes", Watched())
    faiss.omp_set_num_threads(4)
    try:
        index.candidates(vectors.queries[:asked], None, 0, 50)
        assert faiss.omp_get_max_threads() == 4
    finally:
        faiss.omp_set_num_threads(before)
    assert seen == [threads]
