from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.atlas.search import Exclusion, search
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def lance(built, tmp_path_factory):
    pytest.importorskip(
        "lancedb", reason="LanceDB is not installed: pip install 'napari-haiku[lance]'"
    )
    from napari_haiku.atlas.lance import write_lance

    return run_job(write_lance(built.atlas, str(tmp_path_factory.mktemp("lance") / "atlas")))


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"k": 70},
        {"target": "he", "k": 5},
        {"target": "text", "k": 20},
        {"where": "stage = 'II' and age >= 60"},
        {"where": "x_um > 150"},
        {"exclude": Exclusion("A", "s1")},
        {"exclude": Exclusion("A", "s1", 150.0)},
    ],
)
def test_it_answers_like_the_local_atlas(built, lance, question):
    queries = built.encodings[0].embeddings("he")[:6]
    places = built.encodings[0].centres_um[:6]
    found = search(lance, queries, query_positions_um=places, **question)
    local = search(built.atlas, queries, query_positions_um=places, **question)
    np.testing.assert_array_equal(found.indices, local.indices)
    np.testing.assert_array_equal(found.similarity, local.similarity)


def test_it_holds_the_same_tables(built, lance):
    assert lance.info() == built.atlas.info()
    np.testing.assert_array_equal(lance.expression, built.atlas.expression)
    np.testing.assert_array_equal(lance.embeddings("mif"), built.atlas.embeddings("mif"))
    assert lance.records["stage"].tolist() == built.atlas.records["stage"].tolist()
    assert lance.record_of(0) == built.atlas.record_of(0)


def test_what_is_there_or_not_is_told(built, lance, tmp_path):
    from napari_haiku.atlas.lance import LanceAtlas, write_lance

    run_job(write_lance(built.atlas, str(tmp_path / "twice")))
    with pytest.raises(HaikuError, match="at twice already"):
        run_job(write_lance(built.atlas, str(tmp_path / "twice")))
    with pytest.raises(HaikuError, match="no atlas at nothing"):
        LanceAtlas.connect(str(tmp_path / "nothing"))


def test_without_lancedb_the_way_out_is_told(built, monkeypatch):
    from napari_haiku.atlas import lance as module

    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(module.importlib, "import_module", absent)
    with pytest.raises(HaikuError, match=r"pip install 'napari-haiku\[lance\]'"):
        module.LanceAtlas.connect("anywhere")
