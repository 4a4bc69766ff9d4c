from __future__ import annotations

import numpy as np
import pytest
from atlas_bench import COHORT, encode, same_but
from fake_model import FakeModel

from napari_haiku.atlas.build import build_atlas
from napari_haiku.atlas.search import Exclusion, search
from napari_haiku.atlas.sharded import search_shards
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job


@pytest.fixture(scope="module")
def shards(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    paths = [folder / "a", folder / "b"]
    for path, part in zip(paths, (built.encodings[:1], built.encodings[1:]), strict=True):
        run_job(build_atlas(part, path))
    return paths


def test_shards_answer_like_one_atlas(built, shards, monkeypatch):
    monkeypatch.setattr("napari_haiku.atlas.sharded._QUERIES_AT_ONCE", 5)
    queries = built.encodings[3].embeddings("he")
    first = built.encodings[0].n_patches
    for question in (
        {},
        {"k": 60},
        {"where": "stage = 'II'"},
        {"where": "stage = 'IV'"},
        {"exclude": Exclusion("B"), "k": 7},
        {"target": "text", "k": 20},
    ):
        found = search_shards(shards, queries, **question)
        whole = search(built.atlas, queries, **question)
        rows = np.where(found.shard > 0, found.indices + first, found.indices)
        np.testing.assert_array_equal(rows, whole.indices)
        np.testing.assert_array_equal(found.similarity, whole.similarity)


def test_nobody_anywhere_is_told_and_other_failures_are_not_hidden(built, shards, tmp_path):
    queries = built.encodings[3].embeddings("he")
    with pytest.raises(HaikuError, match="fits the filter"):
        search_shards(shards, queries, where="stage = 'V'")
    with pytest.raises(HaikuError, match="no field 'grade'"):
        search_shards(shards, queries, where="grade = 'V'")
    with pytest.raises(HaikuError, match="There is no atlas"):
        search_shards([*shards, tmp_path / "gone"], queries)
    with pytest.raises(HaikuError, match="no shard"):
        search_shards([], queries)
    other = encode(same_but(COHORT[0], slide_id="s9"), 9, tmp_path, FakeModel(seed=5))
    run_job(build_atlas([other], tmp_path / "other"))
    with pytest.raises(HaikuError, match="different models"):
        search_shards([shards[0], tmp_path / "other"], queries)


@pytest.mark.filterwarnings("default")
def test_a_cluster_answers_alike(built, shards):
    distributed = pytest.importorskip("distributed")
    queries = built.encodings[3].embeddings("he")
    alone = search_shards(shards, queries, k=9)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        together = search_shards(shards, queries, k=9, client=client)
    np.testing.assert_array_equal(together.indices, alone.indices)
    np.testing.assert_array_equal(together.shard, alone.shard)
