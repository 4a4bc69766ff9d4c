"""Ranking under many captions agrees with searching the atlas for each of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_cohort import text_vector

from napari_haiku.analysis.biomarkers.readout import mean_of_neighbours, niche_means
from napari_haiku.analysis.retrieval import text_reranking
from napari_haiku.analysis.retrieval.retrieval import SlideQuestion
from napari_haiku.analysis.retrieval.text_reranking import (
    Gallery,
    best_of,
    rank_under_captions,
    shifts_under_captions,
)
from napari_haiku.jobs import run_job

WEIGHTS = {"he": 0.6, "text": 0.4}
WORDS = [
    f"includes: stage: {stage}, weekday: {day}" for stage in ("II", "IV") for day in ("Monday", "x")
]


@pytest.fixture(scope="module")
def texts():
    return np.stack([text_vector(words) for words in WORDS])


def question_of(encoding, atlas, gap=None):
    rows = np.arange(encoding.n_patches)
    return SlideQuestion.of(encoding, atlas, rows, within_patient_um=gap, where=None)


@pytest.mark.parametrize("gap", [None, 300.0])
def test_the_same_neighbours_as_a_search(encodings, atlas, texts, gap, monkeypatch):
    monkeypatch.setattr(text_reranking, "_ROWS_AT_ONCE", 100)
    question = question_of(encodings[3], atlas, gap)
    searched = [question.ask(slice(0, len(question)), WEIGHTS, text, 20).indices for text in texts]
    narrow = []
    for found in rank_under_captions(question.he, Gallery.of(question), WEIGHTS, texts, 20):
        narrow.append(len(found.rows))
        for caption, rows in enumerate(searched):
            assert set(found.rows[found.chosen[caption]]) == set(rows[found.patch])
    assert len(narrow) == len(question)
    assert np.mean(narrow) < 0.9 * len(atlas)


def test_shifts_are_those_of_single_searches(query, atlas, texts, bands):
    question = question_of(query, atlas)
    pairs = np.array([[0, 2], [1, 3], [2, 0], [1, 1]])
    shifts = run_job(
        shifts_under_captions(
            question.he,
            Gallery.of(question),
            WEIGHTS,
            texts,
            pairs,
            20,
            bands.labels,
            niche_numbers=(1, 2, 3, 7),
            least=5,
        )
    )
    read = [
        mean_of_neighbours(
            atlas.expression, question.ask(slice(0, len(question)), WEIGHTS, text, 20).indices
        )
        for text in texts
    ]
    for edit, (before, after) in enumerate(pairs):
        expected = niche_means(read[after] - read[before], bands.labels, (1, 2, 3, 7), 5)
        np.testing.assert_allclose(shifts[edit], expected, atol=1e-9)
    np.testing.assert_array_equal(shifts[2], -shifts[0])
    np.testing.assert_array_equal(shifts[3, :3], 0)
    assert np.isnan(shifts[:, 3]).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.floats(0, 1))
def test_nothing_that_could_matter_is_left_out(seed, k, share):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(60, 5)).astype(np.float16)
    vectors[30:40] = vectors[:10]
    values = rng.normal(size=(60, 2)).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = np.nan
    rows = np.flatnonzero(rng.random(60) < 0.8)
    he, texts = rng.normal(size=(3, 5)).astype(np.float32), rng.normal(size=(4, 5))
    weights = {"he": 1 - share, "text": share}
    found = list(rank_under_captions(he, Gallery(vectors, values, rows), weights, texts, k))
    for patch, one in enumerate(found):
        for caption in range(4):
            score = (1 - share) * vectors[rows].astype(float) @ he[patch].astype(float)
            score += share * vectors[rows].astype(float) @ texts[caption]
            best = np.sort(score)[-min(k, len(rows)) :]
            chosen = one.rows[one.chosen[caption]]
            np.testing.assert_allclose(
                np.sort(score[np.isin(rows, chosen)]), best, rtol=1e-5, atol=1e-5
            )


def test_ties_go_to_the_first():
    best = best_of(np.array([[1, 2, 2, 2], [3, 1, 2, 0]], np.float32), 2)
    np.testing.assert_array_equal(best, [[False, True, True, False], [True, False, True, False]])


def test_a_gallery_smaller_than_k_gives_all_of_it():
    assert best_of(np.zeros((2, 3), np.float32), 5).all()
