"""Shifts under many captions with the pull of each atlas patient."""

from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.analysis.retrieval.shift_pulls import shifts_and_pulls
from napari_haiku.analysis.retrieval.text_heads import heads_p
from napari_haiku.analysis.retrieval.text_reranking import (
    Gallery,
    candidates_under_captions,
    shifts_under_captions,
)
from napari_haiku.analysis.statistics.linear_error import (
    error_of_pulls,
    patient_pulls,
    share_beyond,
)
from napari_haiku.jobs import run_job

WEIGHTS = {"he": 0.6, "text": 0.4}


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def case(seed, n_atlas=90, missing=0.0, dim=8):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_atlas, 3)).astype(np.float32)
    values[rng.uniform(size=values.shape) < missing] = np.nan
    gallery = Gallery(unit(rng.normal(size=(n_atlas, dim))), values, np.arange(2, n_atlas))
    patients = rng.integers(12, size=n_atlas)
    patients[:2] = -1
    he, texts = unit(rng.normal(size=(9, dim))), unit(rng.normal(size=(4, dim)))
    return he, gallery, texts, patients


@pytest.mark.parametrize(("k", "missing"), [(10, 0.0), (10, 0.3), (30, 0.6), (88, 0.0), (200, 0.2)])
def test_both_are_those_of_the_slow_way(k, missing):
    he, gallery, texts, patients = case(k, missing=missing)
    pairs, niches = np.array([[0, 1], [2, 3], [1, 1]]), np.array([1, 1, 1, 1, 2, 2, 2, 9, 1])
    asked = (he, gallery, WEIGHTS, texts, pairs, k, niches)
    shifts, pulls = run_job(shifts_and_pulls(*asked, patients, niche_numbers=(1, 2, 3)))
    expected = run_job(shifts_under_captions(*asked, niche_numbers=(1, 2, 3)))
    np.testing.assert_allclose(shifts, expected, atol=1e-12)
    wide = candidates_under_captions(he, gallery, WEIGHTS, texts, 2 * k)
    for edit, (before, after) in enumerate(pairs):
        slow = patient_pulls(
            wide[before],
            wide[after],
            k,
            gallery.values,
            patients,
            niches,
            niche_numbers=(1, 2, 3),
        )
        np.testing.assert_allclose(pulls[edit], slow, atol=1e-6)
    np.testing.assert_allclose(pulls[2, :, :2], 0, atol=0)


def test_the_share_is_one_where_heads_agree_and_none_where_they_exchange_other_patients():
    rng = np.random.default_rng(0)
    own = rng.normal(size=(50, 1, 4))
    error = error_of_pulls(own)
    assert share_beyond(error, np.repeat(own[None], 16, axis=0)) == 1
    others = rng.normal(size=(16, 50, 1, 4))
    assert share_beyond(error, others) < 0.3
    half = own + 0.5 * others
    assert 0.6 < share_beyond(error, half) < 0.9
    assert share_beyond(error, own[None]) == 1
    assert share_beyond(np.full((1, 4), np.nan), others) == 1
    assert share_beyond(np.zeros((1, 4)), others) == 1


def chance_shifts(rng, n_heads=16, dim=10):
    """A model and its heads around no effect: small chance directions, one atlas."""
    he, gallery, _, patients = case(rng.integers(2**31), n_atlas=600, dim=dim)
    patients = rng.integers(60, size=600)
    base = unit(rng.normal(size=dim))
    edited = unit(base + 0.15 * rng.normal(size=(n_heads + 1, dim)))
    texts = np.concatenate([base[None], edited])
    pairs = np.array([[0, place] for place in range(1, n_heads + 2)])
    return run_job(
        shifts_and_pulls(
            he,
            gallery,
            WEIGHTS,
            texts,
            pairs,
            20,
            np.ones(len(he), int),
            patients,
            niche_numbers=(1,),
        )
    )


def test_small_chance_directions_are_called_at_the_level_and_not_below_it():
    rng = np.random.default_rng(3)
    once, twice = [], []
    for _ in range(150):
        shifts, pulls = chance_shifts(rng)
        error = error_of_pulls(pulls[0].astype(float))
        share = share_beyond(error, pulls[1:])
        once.append(heads_p(shifts[0], shifts[1:], error, share).p)
        twice.append(heads_p(shifts[0], shifts[1:], error).p)
    rate = (np.array(once) < 0.05).mean()
    assert 0.02 < rate < 0.08
    assert (np.array(twice) < 0.05).mean() < rate / 2
