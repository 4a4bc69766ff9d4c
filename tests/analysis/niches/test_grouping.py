"""Ways of grouping, the number of niches, and what lies beside what."""

from __future__ import annotations

import builtins
import dataclasses

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from library_cases import goldens, niche_grid
from scipy import stats
from sklearn.metrics import adjusted_rand_score
from toy_cohort import MARKERS

from napari_haiku.analysis.niches.cluster_number import ClusterNumber
from napari_haiku.analysis.niches.neighbourhood import niche_neighbourhood
from napari_haiku.analysis.niches.niche_enrichment import enrichment_table, with_patients
from napari_haiku.analysis.niches.niche_request import NicheRequest
from napari_haiku.analysis.niches.niche_slides import NicheSlide
from napari_haiku.analysis.niches.niches import find_niches, group_slides, read_niches
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job


def islands(n=240, groups=3, seed=0, spread=0.3, dim=16):
    """A square slide of patches whose kinds lie in bands."""
    rng = np.random.default_rng(seed)
    width = int(np.ceil(np.sqrt(n)))
    cols, rows = np.arange(n) % width, np.arange(n) // width
    kind = np.minimum(groups * cols // width, groups - 1)
    vectors = rng.normal(size=(n, dim)) * spread + 3 * np.eye(groups, dim)[kind]
    centres = np.column_stack([cols, rows]) * 100.0
    return NicheSlide(np.arange(n), centres, vectors.astype("f4"), (), None, "p"), kind


def grouped(slides, **options):
    return run_job(
        group_slides(
            slides, NicheRequest(**({"clusters": 3, "modality": "he", "smooth": False} | options))
        )
    )


@pytest.mark.parametrize("method", ["kmeans", "gaussian", "leiden"])
def test_every_method_finds_clear_groups_and_repeats(method):
    if method == "leiden":
        pytest.importorskip("leidenalg")
    slide, kind = islands()
    options = {"method": method, "restarts": 3, "resolution": 0.3, "seed": 5}
    one, two = (grouped([slide], **options) for _ in range(2))
    assert adjusted_rand_score(kind, one.labels[0]) > 0.98
    np.testing.assert_array_equal(one.labels[0], two.labels[0])
    assert one.centres.shape == (len(one.niches), 16)


def test_a_mixture_says_how_sure_it_is(tmp_path):
    slide, _ = islands(spread=0.3)
    slide.vectors[0] = 1.5 * np.eye(3, 16)[[0, 1]].sum(axis=0)
    result = grouped([slide], method="gaussian")
    (certainty,) = result.certainty
    assert ((certainty > 0.3) & (certainty <= 1)).all()
    assert np.median(certainty) > 0.99
    result.save(tmp_path)
    assert "certainty" in pd.read_parquet(tmp_path / "niches.parquet")
    assert grouped([slide]).certainty is None


def test_leiden_that_is_not_installed_is_a_sentence(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name in ("igraph", "leidenalg"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(HaikuError, match=r"Leiden is not installed: .*napari-haiku\[leiden\]"):
        grouped([islands()[0]], method="leiden")


def test_leiden_places_what_it_was_not_fitted_on(monkeypatch):
    pytest.importorskip("leidenalg")
    monkeypatch.setattr("napari_haiku.analysis.niches.grouping._GRAPH_FIT_ON", 100)
    slide, kind = islands()
    result = grouped([slide], method="leiden", resolution=0.3)
    assert adjusted_rand_score(kind, result.labels[0]) > 0.95


@pytest.mark.parametrize("method", ["kmeans", "gaussian", "leiden"])
def test_a_patch_without_a_vector_belongs_to_no_niche(method, tmp_path):
    if method == "leiden":
        pytest.importorskip("leidenalg")
    slide, _ = islands(120)
    slide.vectors[5], slide.vectors[9] = 0, np.nan
    result = grouped([slide], method=method, restarts=1)
    assert np.flatnonzero(result.labels[0] == 0).tolist() == [5, 9]
    result.save(tmp_path)
    read = read_niches(tmp_path, slide.centres_um)
    assert read.names == result.names


def test_the_number_that_comes_out_alike_is_suggested(tmp_path):
    slide, kind = islands(900)
    result = grouped([slide], clusters="auto", restarts=2)
    assert result.number.chosen == 3
    assert result.number.note == ""
    assert result.number.halves_of == "squares of 500 um"
    assert adjusted_rand_score(kind, result.labels[0]) > 0.98
    result.save(tmp_path)
    table = pd.read_csv(tmp_path / "stability.csv")
    assert table.loc[table["chosen"], "clusters"].tolist() == [3]


def test_halves_are_of_slides_where_there_are_enough():
    slides = [islands(60, seed=seed)[0] for seed in range(6)]
    result = grouped(slides, clusters="auto", restarts=1)
    assert result.number.halves_of == "slides"
    assert result.number.chosen == 3


def test_where_no_number_is_stable_it_says_so():
    rng = np.random.default_rng(0)
    slide, _ = islands(400)
    slide.vectors[:] = rng.normal(size=slide.vectors.shape)
    number = grouped([slide], clusters="auto", restarts=1).number
    assert max(number.stability) < 0.6
    assert "changes gradually" in number.note
    assert "changes gradually" in number.to_json()["note"]


def test_too_few_patches_to_suggest_a_number():
    with pytest.raises(HaikuError, match="30 patches, too few to suggest a number"):
        grouped([islands(30)[0]], clusters="auto")


def test_the_table_of_a_number():
    number = ClusterNumber((2, 3), (0.4, 0.9), (0.1, 0.1), 3, "slides")
    assert number.table()["chosen"].tolist() == [False, True]


@pytest.mark.parametrize("bad", [{"method": "magic"}, {"clusters": "many"}, {"resolution": 0}])
def test_impossible_ways_are_refused(bad):
    with pytest.raises(HaikuError):
        NicheRequest(**bad)


def test_names_can_be_given(query):
    result = run_job(find_niches([query], clusters=3))
    renamed = result.renamed({2: "Border"})
    assert renamed.names == {1: result.names[1], 2: "Border", 3: result.names[3]}
    assert set(renamed.enrichment.loc[renamed.enrichment["niche"] == 2, "name"]) == {"Border"}
    assert result.names[2] != "Border"
    with pytest.raises(HaikuError, match="no niche 9"):
        result.renamed({9: "x"})


def test_contacts_agree_with_networkx():
    slide, _ = islands(144)
    result = grouped([slide])
    touching = run_job(niche_neighbourhood(result, permutations=20))
    graph = nx.Graph()
    for patch, (x, y) in enumerate(slide.centres_um):
        graph.add_node(patch, niche=int(result.labels[0][patch]))
        for other in range(patch):
            if np.abs(slide.centres_um[other] - (x, y)).max() <= 100:
                graph.add_edge(patch, other)
    mapping = {niche: place for place, niche in enumerate(result.niches)}
    mixing = nx.attribute_mixing_matrix(graph, "niche", mapping=mapping, normalized=False)
    np.testing.assert_array_equal(touching.contacts, mixing)


def test_enrichment_agrees_with_the_permutation_moments_that_are_known_exactly():
    """Freeman-Tukey moments of join counts under random labels, after Cliff and Ord."""
    slide, _ = islands(225)
    result = grouped([slide])
    touching = run_job(niche_neighbourhood(result, permutations=2000, seed=1))
    labels = result.labels[0]
    n, edges = len(labels), touching.contacts.sum() / 2
    sizes = np.array([(labels == niche).sum() for niche in result.niches])
    pairs = np.outer(sizes, sizes) - np.diag(sizes)
    exact = 2 * edges * pairs / (n * (n - 1))
    np.testing.assert_allclose(touching.expected, exact, rtol=0.02)
    assert (np.diag(touching.z) > 5).all()
    assert touching.z[0, 1] == touching.z[1, 0]


@pytest.mark.parametrize("seed", [0, 1])
def test_enrichment_agrees_with_squidpy(seed):
    theirs = goldens()["neighbourhood"][str(seed)]
    centres, labels = niche_grid(seed)
    slide = NicheSlide(np.arange(len(labels)), centres, np.ones((len(labels), 3), "f4"), (), None)
    result = dataclasses.replace(
        grouped([slide], clusters=1),
        labels=(labels,),
        names={1: "a", 2: "b", 3: "c"},
    )
    touching = run_job(niche_neighbourhood(result, permutations=2000))
    # Each pair once from either side, as here.
    np.testing.assert_array_equal(touching.contacts, theirs["count"])
    np.testing.assert_allclose(touching.z, theirs["zscore"], rtol=0.08, atol=0.15)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 99))
def test_scattered_niches_are_not_enriched(seed):
    slide, _ = islands(196)
    result = grouped([slide], restarts=1)
    rng = np.random.default_rng(seed)
    scattered = result.__class__(
        **{**result.__dict__, "labels": (rng.permutation(result.labels[0]),)}
    )
    touching = run_job(niche_neighbourhood(scattered, permutations=99, seed=seed))
    assert np.nanmax(np.abs(touching.z)) < 6
    assert (touching.p >= 1 / 100).all()
    np.testing.assert_array_equal(touching.contacts, touching.contacts.T)
    assert len(touching.table()) == 9


def test_no_contacts_and_few_permutations_are_refused():
    slide, _ = islands(40)
    result = grouped([slide], clusters=1)
    with pytest.raises(HaikuError, match="20 permutations"):
        run_job(niche_neighbourhood(result, permutations=3))
    one = run_job(niche_neighbourhood(result, permutations=20))
    assert np.isnan(one.p).all()
    lone = NicheSlide(np.arange(1), np.zeros((1, 2)), np.ones((1, 4), "f4"), (), None)
    with pytest.raises(HaikuError, match="No two patches"):
        run_job(niche_neighbourhood(grouped([lone], clusters=1)))


def test_patients_as_units_agree_with_scipy(encodings):
    result = run_job(find_niches(encodings, clusters=3))
    labels = np.concatenate(result.labels)
    values = np.concatenate([encoding.expression for encoding in encodings])
    patient = np.repeat(np.arange(len(encodings)), [len(own) for own in result.labels])
    row = result.enrichment[
        (result.enrichment["niche"] == 2) & (result.enrichment["marker"] == "CD8")
    ].iloc[0]
    frame = pd.DataFrame({"cd8": values[:, 1], "in": labels == 2, "patient": patient})
    means = frame.groupby(["patient", "in"])["cd8"].mean().unstack()
    change = means[True] - means[False]
    assert row["patients"] == len(encodings)
    assert row["difference_patients"] == pytest.approx(change.mean(), rel=1e-5)
    assert row["p_patients"] == pytest.approx(stats.wilcoxon(change).pvalue, rel=1e-6)
    assert row["q_patients"] >= row["p_patients"]


def test_few_patients_give_no_p():
    labels = np.tile([1, 2], 30)
    values = np.random.default_rng(0).normal(size=(60, len(MARKERS)))
    values[:, 3] = np.nan
    table = enrichment_table(labels, values, MARKERS, (1, 2))
    full = with_patients(table, labels, values, MARKERS, np.repeat(np.arange(5), 12))
    assert full["p_patients"].isna().all()
    assert full["patients"].tolist() == [5, 5, 5, 0] * 2
    assert full["difference_patients"].isna().sum() == 2
