from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.atlas.query import compose_query
from napari_haiku.atlas.search import Exclusion, search
from napari_haiku.errors import HaikuError

N = 16
S1, S2, S3, S4 = (slice(i * N, (i + 1) * N) for i in range(4))


@pytest.fixture(scope="module")
def atlas(built):
    return built.atlas


@pytest.fixture(scope="module")
def query(built):
    return built.encodings[0].embeddings("he")


def rows_in(hits, part):
    return ((hits.indices >= part.start) & (hits.indices < part.stop)).any()


def test_a_patch_finds_itself_where_nothing_is_out(atlas, query):
    hits = search(atlas, query, target="he", k=3)
    np.testing.assert_array_equal(hits.indices[:, 0], np.arange(N))
    assert hits.indices.dtype == np.int64
    assert hits.similarity.dtype == np.float32
    assert (np.diff(hits.similarity, axis=1) <= 0).all()


def test_own_patient_and_slide_are_out(built, atlas, query):
    hits = search(atlas, query, target="mif", k=64, exclude=Exclusion.of(built.encodings[0]))
    assert not rows_in(hits, S1)
    assert not rows_in(hits, S2)
    assert rows_in(hits, S3)
    assert (hits.found.sum(axis=1) == N).all()
    assert np.isnan(hits.similarity[~hits.found]).all()


def test_a_slide_of_unknown_patient_is_out_by_its_id(atlas, query):
    hits = search(atlas, query, target="mif", k=64, exclude=Exclusion(slide_id="s1"))
    assert not rows_in(hits, S1)
    assert rows_in(hits, S2)


def test_slides_without_the_target_never_answer(atlas, query):
    assert not rows_in(search(atlas, query, target="he", k=64), S2)
    assert not rows_in(search(atlas, query, target="mif", k=64), S4)
    assert not rows_in(search(atlas, query, target="text", k=64), S4)


def test_within_a_patient_only_near_patches_are_out(built, atlas, query):
    encoding = built.encodings[0]
    hits = search(
        atlas,
        query,
        target="mif",
        k=64,
        exclude=Exclusion.of(encoding, within_patient_um=150.0),
        query_positions_um=encoding.centres_um,
    )
    for number, place in enumerate(encoding.centres_um):
        found = hits.indices[number][hits.found[number]]
        own = found[found < 2 * N]
        distance = np.linalg.norm(atlas.positions_um[own] - place, axis=1)
        assert distance.min() >= 150
        far = np.linalg.norm(atlas.positions_um[: 2 * N] - place, axis=1) >= 150
        assert len(own) == far.sum()
        assert set(range(2 * N, 3 * N)) <= set(found)


def test_positions_are_needed_for_a_gap(built, atlas, query):
    exclude = Exclusion.of(built.encodings[0], within_patient_um=100.0)
    with pytest.raises(HaikuError, match="must be given"):
        search(atlas, query, exclude=exclude)
    with pytest.raises(HaikuError, match="give x and y"):
        search(atlas, query, exclude=exclude, query_positions_um=np.zeros((3, 2)))
    with pytest.raises(HaikuError, match="0 um or more"):
        Exclusion(within_patient_um=-1.0)


def test_a_filter_keeps_only_what_fits(atlas, query):
    hits = search(atlas, query, target="mif", k=64, where="stage = 'IV'")
    assert set(hits.indices[hits.found]) == set(range(N, 2 * N))
    hits = search(atlas, query, target="mif", k=64, where="x_um < 100 and tissue = 'Colon'")
    expected = 2 * N + np.flatnonzero(atlas.positions_um[S3, 0] < 100)
    assert set(hits.indices[hits.found]) == set(expected)


def test_a_filter_that_keeps_nothing_names_the_values(atlas, query):
    with pytest.raises(HaikuError, match=r"fits the filter \(stage is one of: II, IV\): loosen"):
        search(atlas, query, where="stage = 'III'")
    with pytest.raises(HaikuError, match="fits the filter: loosen"):
        search(atlas, query, where="x_um > 1e9")


def test_a_typo_names_the_fields(atlas, query):
    with pytest.raises(HaikuError, match=r"no field 'stag' \(did you mean 'stage'\?\).*tissue"):
        search(atlas, query, where="stag = 'II'")


def test_nothing_but_the_own_patient_is_told(built, atlas, query):
    with pytest.raises(HaikuError, match=r"belongs to the slide's own patient.*--within-patient"):
        search(atlas, query, where="patient_id = 'A'", exclude=Exclusion.of(built.encodings[0]))


def test_filter_and_target_that_have_nothing_in_common(atlas, query):
    with pytest.raises(HaikuError, match="No patch of the atlas can answer"):
        search(atlas, query, target="he", where="stage = 'IV'")


def test_records_are_found_by_text(built, atlas):
    caption = built.encodings[2].embeddings("text")
    hits = search(atlas, caption, target="text", k=20)
    assert hits.indices[0, :N].tolist() == list(range(2 * N, 3 * N))
    assert (hits.similarity[0, :N] == hits.similarity[0, 0]).all()


def test_a_mixed_query_scores_the_mix(built, atlas, query):
    text = built.encodings[0].embeddings("text")
    mixed = compose_query({"he": query, "text": text}, {"he": 3, "text": 1})
    hits = search(atlas, mixed, target="mif", k=48)
    gallery = atlas.embeddings("mif").astype(np.float64)
    expected = 0.75 * query @ gallery.T + 0.25 * text @ gallery.T
    np.testing.assert_allclose(
        hits.similarity, np.take_along_axis(expected, hits.indices, axis=1), atol=1e-5
    )


@pytest.mark.parametrize(
    ("vectors", "k", "said"),
    [
        (
            np.ones((2, 5), np.float32),
            5,
            "length 5 but the atlas atlas of 16: use the model fake-0",
        ),
        (np.full((1, 16), np.nan, np.float32), 5, "no numbers"),
        (np.ones((1, 16), np.float32), 0, "at least 1, not 0"),
    ],
)
def test_wrong_questions_are_told(atlas, vectors, k, said):
    with pytest.raises(HaikuError, match=said):
        search(atlas, vectors, k=k)


def test_an_unknown_target_is_told(atlas, query):
    with pytest.raises(HaikuError, match="no modality 'codex'"):
        search(atlas, query, target="codex")
