"""The first-order error of a shift over atlases."""

from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.analysis.biomarkers.readout import mean_of_neighbours
from napari_haiku.analysis.statistics.intervals import (
    Candidates,
    bootstrap_patients,
    calibrated_limits,
)
from napari_haiku.analysis.statistics.linear_error import error_of_pulls, patient_pulls
from napari_haiku.jobs import run_job


def atlas_of(seed, n_patients=40, a_patient=6, dim=6):
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n_patients), a_patient)
    vectors = rng.normal(size=(len(patients), dim))
    vectors += 0.5 * rng.normal(size=(n_patients, dim))[patients]
    values = vectors[:, :1] + 1.5 * rng.normal(size=(len(patients), 1))
    return vectors, values.astype(np.float32), patients


def asked(seed, step, k=10):
    """A small edit of one question, put to one atlas: candidates, shift, and the atlas."""
    vectors, values, patients = atlas_of(seed)
    before = np.array([1.0, 0, 0, 0.5, 0, 0])
    after = before + step * np.array([0, 1.0, 0, 0, 0, 0])
    rows = [np.argsort(-(vectors @ query))[None, : 6 * k] for query in (before, after)]
    low, high = (mean_of_neighbours(values, found[:, :k])[0, 0] for found in rows)
    return rows, high - low, values, patients


@pytest.mark.parametrize("step", [0.3, 1.0])
def test_it_is_the_spread_over_atlases_also_where_resampling_is_too_wide(step):
    k, niche = 10, np.array([1])
    shifts, linear, resampled = [], [], []
    for seed in range(150):
        (before, after), shift, values, patients = asked(seed, step)
        shifts.append(shift)
        made = run_job(
            bootstrap_patients(
                Candidates(before, k),
                Candidates(after, k),
                values,
                patients,
                niche,
                niche_numbers=(1,),
                resamples=60,
                seed=seed,
            )
        )
        linear.append(made.error(np.array([[shift]]))[0, 0])
        resampled.append(made.shifts[0, 0].std(ddof=1))
    spread = np.std(shifts, ddof=1)
    of_linear = np.sqrt(np.mean(np.square(linear))) / spread
    of_resampled = np.sqrt(np.mean(np.square(resampled))) / spread
    assert 0.8 < of_linear < 1.25
    if step < 0.5:
        assert of_resampled > of_linear + 0.05


def test_a_mean_over_everyone_has_the_error_of_a_mean_of_patients():
    """Where all answer the shift between two halves is linear, and so is its error."""
    rng = np.random.default_rng(0)
    patients = np.arange(30)
    values = rng.normal(size=(30, 1)).astype(np.float32)
    everyone = np.arange(30)[None]
    nobody = np.full((1, 30), -1)
    nobody[0, 0] = 0
    pulls = patient_pulls(nobody, everyone, 30, values, patients, np.array([1]), niche_numbers=(1,))
    expected = values.std(ddof=1) / np.sqrt(30)
    np.testing.assert_allclose(error_of_pulls(pulls)[0, 0], expected, rtol=1e-5)


def test_no_edit_has_no_error_and_its_reverse_the_same():
    (before, after), _, values, patients = asked(3, 0.5)
    niche = np.array([1])
    options = {"niche_numbers": (1,)}
    none = patient_pulls(before, before, 10, values, patients, niche, **options)
    there = patient_pulls(before, after, 10, values, patients, niche, **options)
    back = patient_pulls(after, before, 10, values, patients, niche, **options)
    np.testing.assert_array_equal(none, 0)
    np.testing.assert_allclose(there, -back)


def test_what_was_not_measured_and_who_is_alone_have_no_error():
    (before, after), _, values, patients = asked(3, 0.5)
    two = np.concatenate([values, np.full_like(values, np.nan)], axis=1)
    pulls = patient_pulls(before, after, 10, two, patients, np.array([1]), niche_numbers=(1, 2))
    error = error_of_pulls(pulls)
    assert np.isfinite(error[0, 0])
    assert np.isnan(error[0, 1])
    assert np.isnan(error[1]).all()
    assert np.isnan(error_of_pulls(pulls[:1])).all()


def test_limits_have_the_width_of_the_error_and_lie_around_the_shift():
    resampled = np.random.default_rng(0).normal(3.0, 2.0, size=(1, 4000))
    low, high = calibrated_limits(resampled, np.array([0.5]), np.array([1.0]), 10_000)
    np.testing.assert_allclose([low[0], high[0]], [0.5 - 1.96, 0.5 + 1.96], atol=0.12)
    few = calibrated_limits(resampled, np.array([0.5]), np.array([1.0]), 5)
    assert few[0][0] < low[0] < high[0] < few[1][0]
    low, high = calibrated_limits(np.zeros((1, 50)), np.zeros(1), np.zeros(1), 10)
    assert low[0] == high[0] == 0
