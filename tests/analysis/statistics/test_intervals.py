"""Bootstrap over atlas patients and over blocks of tissue."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_haiku.analysis.biomarkers.readout import mean_of_neighbours
from napari_haiku.analysis.statistics import intervals
from napari_haiku.analysis.statistics.intervals import (
    Candidates,
    bootstrap_blocks,
    bootstrap_patients,
    percentile_limits,
)
from napari_haiku.jobs import run_job


def world(seed=0, n_patients=12, a_patient=10, n=20, markers=3, k=5):
    """Ranked candidates of some patches in a small random atlas."""
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n_patients), a_patient)
    values = (
        rng.normal(size=(len(patients), markers)) + rng.normal(size=(n_patients, markers))[patients]
    )
    ranked = [
        np.stack([rng.permutation(len(patients))[: 6 * k] for _ in range(n)]) for _ in range(2)
    ]
    niches = np.arange(n) % 2 + 1
    return (
        Candidates(ranked[0], k),
        Candidates(ranked[1], k),
        values.astype(np.float32),
        patients,
        niches,
    )


def by_hand(candidates, values, multiplicity, patients, patch):
    """Refill the neighbours of one patch one by one."""
    taken = []
    for row in candidates.rows[patch]:
        if row >= 0 and patients[row] >= 0:
            taken += [row] * int(multiplicity[patients[row]])
    return np.nanmean(values[taken[: candidates.k]].astype(float), axis=0)


def run(world, **changes):
    baseline, edited, values, patients, niches = world
    arguments = {"niche_numbers": (1, 2), "resamples": 40, "seed": 1} | changes
    return run_job(bootstrap_patients(baseline, edited, values, patients, niches, **arguments))


def test_agrees_with_refilling_by_hand():
    baseline, edited, values, patients, niches = made = world()
    result = run(made)
    counts = intervals._multiplicities(12, 40, 1)
    for resample in (0, 7, 39):
        change = [
            by_hand(edited, values, counts[:12, resample], patients, patch)
            - by_hand(baseline, values, counts[:12, resample], patients, patch)
            for patch in range(len(niches))
        ]
        for place, niche in enumerate((1, 2)):
            expected = np.mean(
                [c for c, own in zip(change, niches, strict=True) if own == niche], 0
            )
            np.testing.assert_allclose(result.shifts[place, :, resample], expected, atol=1e-5)


def test_agrees_with_refilling_by_hand_with_gaps_in_the_measurements():
    baseline, edited, values, patients, niches = world(seed=3)
    values[patients % 3 == 0, 1] = np.nan
    result = run((baseline, edited, values, patients, niches))
    counts = intervals._multiplicities(12, 40, 1)
    change = [
        by_hand(edited, values, counts[:12, 5], patients, patch)
        - by_hand(baseline, values, counts[:12, 5], patients, patch)
        for patch in range(len(niches))
    ]
    expected = np.nanmean([c for c, own in zip(change, niches, strict=True) if own == 2], axis=0)
    np.testing.assert_allclose(result.shifts[1, :, 5], expected, atol=1e-5)


def test_every_patient_drawn_once_gives_the_shift_itself(monkeypatch):
    baseline, edited, values, _patients, niches = made = world()
    once = np.vstack([np.ones((12, 1), np.int16), np.zeros((1, 1), np.int16)])
    monkeypatch.setattr(intervals, "_multiplicities", lambda *_: once)
    result = run(made, resamples=1)
    shift = mean_of_neighbours(values, edited.rows[:, :5]) - mean_of_neighbours(
        values, baseline.rows[:, :5]
    )
    for place, niche in enumerate((1, 2)):
        np.testing.assert_allclose(
            result.shifts[place, :, 0], shift[niches == niche].mean(axis=0), atol=1e-5
        )


def test_no_edit_gives_exactly_zero_in_every_resample():
    baseline, _, values, patients, niches = world()
    result = run((baseline, baseline, values, patients, niches))
    np.testing.assert_array_equal(result.shifts, 0)


def test_edit_and_its_reverse_are_opposite():
    baseline, edited, values, patients, niches = world()
    there = run((baseline, edited, values, patients, niches))
    back = run((edited, baseline, values, patients, niches))
    np.testing.assert_allclose(there.shifts, -back.shifts, atol=1e-12)


def test_rows_of_patients_that_may_not_answer_are_never_used():
    baseline, edited, values, patients, niches = world()
    values[patients == 11] = 1e9
    left_out = np.where(patients == 11, -1, patients)
    result = run((baseline, edited, values, left_out, niches))
    assert np.abs(result.shifts).max() < 1e3


def test_missing_candidates_are_no_last_row():
    baseline, edited, values, patients, niches = world()
    values[-1] = 1e9
    holed = [
        Candidates(np.where(c.rows == len(values) - 1, -1, c.rows), c.k) for c in (baseline, edited)
    ]
    result = run((*holed, values, patients, niches))
    assert np.abs(result.shifts).max() < 1e3


def test_too_few_candidates_are_reported():
    baseline, edited, values, patients, niches = world()
    narrow = [Candidates(c.rows[:, :5], 5) for c in (baseline, edited)]
    assert run((*narrow, values, patients, niches)).short > 0.3
    assert run((baseline, edited, values, patients, niches)).short < 0.01


def test_same_seed_same_figures_other_seed_other_figures():
    made = world()
    np.testing.assert_array_equal(run(made, seed=4).shifts, run(made, seed=4).shifts)
    assert not np.array_equal(run(made, seed=4).shifts, run(made, seed=5).shifts)


def test_interval_is_not_estimable_where_the_shift_is_not():
    result = run(world())
    shift = np.array([[0.0, np.nan, 0.0], [0.0, 0.0, 0.0]])
    low, high = result.interval(shift)
    assert np.isnan(low[0, 1])
    assert np.isnan(high[0, 1])
    assert (low[1] < high[1]).all()


def test_unit_scales_every_marker_by_its_own():
    result = run(world())
    scaled = result.in_units(np.array([1.0, 2.0, np.nan]))
    np.testing.assert_allclose(scaled.shifts[:, 1], result.shifts[:, 1] / 2)
    assert np.isnan(scaled.shifts[:, 2]).all()


def test_interval_covers_the_shift_repeated_over_atlases():
    """Nominal 95 % over independent atlases of 20 patients, one fixed question."""
    rng = np.random.default_rng(5)
    n_patients, a_patient, k, dim = 20, 12, 8, 6
    direction = rng.normal(size=dim)
    queries = [rng.normal(size=dim)]
    queries.append(queries[0] + 0.5 * direction)
    shifts, limits = [], []
    for _ in range(60):
        patients = np.repeat(np.arange(n_patients), a_patient)
        atlas = rng.normal(size=(len(patients), dim)) + rng.normal(size=(n_patients, dim))[patients]
        values = (atlas @ direction + rng.normal(size=len(patients)))[:, None].astype(np.float32)
        baseline, edited = (
            Candidates(np.argsort(-(atlas @ query))[None, : 6 * k], k) for query in queries
        )
        shift = mean_of_neighbours(values, edited.rows[:, :k]) - mean_of_neighbours(
            values, baseline.rows[:, :k]
        )
        result = run(
            (baseline, edited, values, patients, np.array([1])), niche_numbers=(1,), resamples=200
        )
        shifts.append(shift[0, 0])
        limits.append([side[0, 0] for side in result.interval(shift)])
    truth = np.mean(shifts)
    covered = np.mean([low <= truth <= high for low, high in limits])
    assert covered >= 0.85


GRID = np.stack(np.meshgrid(np.arange(20) * 100.0, np.arange(20) * 100.0), -1).reshape(-1, 2)


def blocks(shift, niches, **changes):
    arguments = {"niche_numbers": (1, 2), "resamples": 200, "seed": 0} | changes
    return bootstrap_blocks(shift, GRID, niches, **arguments)


def test_blocks_enclose_an_even_shift_tightly_and_an_uneven_one_loosely():
    rng = np.random.default_rng(0)
    niches = np.where(GRID[:, 0] < 1000, 1, 2)
    even = 0.5 + 0.01 * rng.normal(size=(400, 1))
    uneven = even + np.sin(GRID[:, :1] / 300) + np.cos(GRID[:, 1:] / 400)
    for shift in (even, uneven):
        low, high = blocks(shift, niches)
        mean = np.array([shift[niches == number].mean() for number in (1, 2)])
        assert (low[:, 0] <= mean).all()
        assert (mean <= high[:, 0]).all()
    tight = np.subtract(*blocks(even, niches)[::-1])
    loose = np.subtract(*blocks(uneven, niches)[::-1])
    assert (loose > 5 * tight).all()


def test_a_niche_in_two_blocks_only_is_not_estimable():
    niches = np.where((GRID[:, 0] < 1000) & (GRID[:, 1] < 500), 2, 1)
    low, high = blocks(np.ones((400, 1)), niches)
    assert np.isfinite(low[0, 0])
    assert np.isnan(low[1, 0])
    assert np.isnan(high[1, 0])


def test_a_niche_without_patches_and_a_marker_without_values_are_nan():
    shift = np.column_stack([np.ones(400), np.full(400, np.nan)])
    low, _ = blocks(shift, np.ones(400, np.int64))
    assert low[0, 0] == pytest.approx(1)
    assert np.isnan(low[0, 1])
    assert np.isnan(low[1]).all()


@settings(max_examples=25)
@given(st.integers(1, 50), st.floats(0.5, 0.99))
def test_percentile_limits_follow_numpy_and_forgive_few_gaps(seed, level):
    rng = np.random.default_rng(seed)
    resampled = rng.normal(size=(2, 100))
    low, high = percentile_limits(resampled, level)
    np.testing.assert_allclose(low, np.percentile(resampled, 50 * (1 - level), axis=1))
    np.testing.assert_allclose(high, np.percentile(resampled, 50 * (1 + level), axis=1))
    resampled[0, :5] = np.nan
    resampled[1, :20] = np.nan
    low, _ = percentile_limits(resampled, level)
    assert np.isfinite(low[0])
    assert np.isnan(low[1])
