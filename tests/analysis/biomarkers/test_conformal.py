"""Intervals of predicted markers: what they state is what they hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_cohort import MARKERS, toy_slide, write_slide

from napari_haiku.analysis.biomarkers.agreement import agreement_by_region, calibration_points
from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerRequest, predict_biomarkers
from napari_haiku.analysis.biomarkers.conformal import calibrate_intervals, hierarchical_quantile
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job


@pytest.fixture(scope="module")
def calibrated(atlas):
    return run_job(calibrate_intervals(atlas, BiomarkerRequest(k=20), level=0.8))


def test_intervals_hold_what_they_state_on_slides_the_atlas_never_saw(tmp_path, atlas, calibrated):
    held = []
    for seed in range(12):
        rng = np.random.default_rng([77, seed])
        record = {"tissue": "Colon", "disease": "Colon Cancer", "stage": "III"}
        slide = toy_slide(rng, float(rng.normal()), (6, 9))
        encoding = write_slide(tmp_path / f"s{seed}", slide, record, patient=f"new-{seed}")
        result = run_job(
            predict_biomarkers(encoding, atlas, BiomarkerRequest(k=20), intervals=calibrated)
        )
        low, high = result.limits()
        held.append(((low <= result.measured) & (result.measured <= high)).mean())
    assert 0.72 <= np.mean(held) <= 0.93


def test_found_coverage_is_near_the_stated_and_rises_with_it(calibrated):
    assert ((calibrated.checked > 0.7) & (calibrated.checked < 0.95)).all()
    assert (np.diff(calibrated.curve[:-1], axis=0) >= -1e-9).all()
    assert (calibrated.patients == 18).all()
    table = calibrated.table()
    assert table["marker"].tolist() == list(MARKERS)
    assert "Intervals that state 80% held" in calibrated.how


def test_a_level_that_the_patients_cannot_carry_is_not_estimable(atlas):
    result = run_job(calibrate_intervals(atlas, BiomarkerRequest(k=5), level=0.99))
    assert np.isnan(result.factor).all()
    low, high = result.limits(np.ones((2, 4)), np.ones((2, 4)))
    assert np.isnan(low).all()
    assert np.isnan(high).all()
    assert "too few patients" in result.how


@settings(max_examples=30, deadline=None)
@given(st.integers(9, 40), st.integers(0, 999))
def test_the_quantile_of_single_members_is_that_of_split_conformal(n, seed):
    scores = np.random.default_rng(seed).exponential(size=n)
    place = int(np.ceil(0.9 * (n + 1))) - 1
    expected = np.sort(scores)[place] if place < n else np.nan
    found = hierarchical_quantile([scores[[i]] for i in range(n)], 0.9)
    np.testing.assert_allclose(found, expected)


def test_a_large_group_counts_as_much_as_a_small_one():
    small = [np.array([float(n)] * 3) for n in range(20)]
    grown = [np.repeat(each, 50) if n < 3 else each for n, each in enumerate(small)]
    assert hierarchical_quantile(small, 0.8) == hierarchical_quantile(grown, 0.8)
    assert np.isnan(hierarchical_quantile([], 0.8))


@pytest.mark.parametrize("level", [0, 1, float("nan")])
def test_impossible_levels_are_refused(atlas, level):
    with pytest.raises(HaikuError, match="coverage must lie between"):
        run_job(calibrate_intervals(atlas, BiomarkerRequest(), level=level))


def test_saved_beside_the_predictions(tmp_path, atlas, query, calibrated):
    result = run_job(predict_biomarkers(query, atlas, BiomarkerRequest(k=20), intervals=calibrated))
    result.save(tmp_path)
    low, value, high = (
        pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("low", "predictions", "high")
    )
    assert (low["CD8"] < value["CD8"]).all()
    assert (value["CD8"] < high["CD8"]).all()
    z = pd.read_parquet(tmp_path / "z.parquet")
    mean, sd = np.mean(atlas.expression, axis=0), np.std(atlas.expression, axis=0, ddof=1)
    np.testing.assert_allclose(z[list(MARKERS)], (result.values - mean) / sd, rtol=1e-3, atol=1e-4)
    evidence = pd.read_parquet(tmp_path / "evidence.parquet")
    assert (evidence["effective_patients"] <= evidence["effective_neighbours"] + 1e-4).all()
    assert len(pd.read_csv(tmp_path / "coverage.csv")) == len(MARKERS)
    assert set(pd.read_csv(tmp_path / "calibration.csv")["marker"]) == set(MARKERS)


def test_without_calibration_there_are_no_limits(atlas, query):
    low, high = run_job(predict_biomarkers(query, atlas, BiomarkerRequest(k=5))).limits()
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_r_by_region_agrees_with_numpy():
    rng = np.random.default_rng(0)
    measured = rng.normal(size=(60, 2))
    predicted = measured + rng.normal(size=(60, 2))
    predicted[0, 0] = np.nan
    measured[:, 1] = np.where(np.arange(60) < 57, np.nan, measured[:, 1])
    labels = np.arange(60) // 30 + 1
    table = agreement_by_region(
        measured, predicted, ("A", "B"), labels, {1: "left", 2: "right", 3: "nowhere"}
    ).set_index(["region", "marker"])
    expected = np.corrcoef(measured[1:30, 0], predicted[1:30, 0])[0, 1]
    assert table.loc[("left", "A"), "r"] == pytest.approx(expected)
    assert table.loc[("left", "A"), "n"] == 29
    assert table.loc[("All patches", "B"), "n"] == 3
    assert np.isnan(table.loc[("All patches", "B"), "r"])
    assert np.isnan(table.loc[("nowhere", "A"), "r"])


def test_points_of_a_perfect_prediction_lie_on_the_diagonal():
    values = np.random.default_rng(0).normal(size=(100, 2))
    values[:, 1] = np.nan
    points = calibration_points(values, values, ("A", "B"))
    assert set(points["marker"]) == {"A"}
    assert len(points) == 10
    assert points["n"].sum() == 100
    np.testing.assert_allclose(points["predicted"], points["measured"])
    assert (np.diff(points["predicted"]) > 0).all()


def test_an_interval_ends_where_no_value_can_be(calibrated):
    assert (calibrated.least == 0).all()
    spread = np.full((1, len(MARKERS)), 1e6)
    low, high = calibrated.limits(np.full((1, len(MARKERS)), 2.0), spread)
    assert (low == 0).all()
    assert (high > 2).all()
    below = replace(calibrated, least=np.full(len(MARKERS), -np.inf))
    assert (below.limits(np.full((1, len(MARKERS)), 2.0), spread)[0] < 0).all()
