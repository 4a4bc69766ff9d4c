import numpy as np
import pytest

from napari_haiku.evaluation.figures import Figure, figures_to_json
from napari_haiku.evaluation.resampling import PatientResampling


def test_the_interval_is_over_patients_not_over_cases():
    rng = np.random.default_rng(0)
    effect = rng.normal(size=20)
    values = np.repeat(effect, 500)
    wide = PatientResampling(np.repeat(np.arange(20), 500), seed=0).mean(values)
    narrow = PatientResampling(np.arange(10_000), seed=0).mean(values)
    assert wide.value == pytest.approx(narrow.value)
    assert wide.ci[1] - wide.ci[0] > 5 * (narrow.ci[1] - narrow.ci[0])
    # Of the mean of twenty patients.
    assert wide.ci[1] - wide.ci[0] == pytest.approx(2 * 1.96 * effect.std() / np.sqrt(20), rel=0.2)


def test_coverage_of_the_mean():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        values = np.repeat(rng.normal(size=30), 4)
        low, high = (
            PatientResampling(np.repeat(np.arange(30), 4), seed=2, resamples=200).mean(values).ci
        )
        inside += low <= 0 <= high
    assert 0.85 <= inside / 200 <= 0.99


def test_median_is_the_lower_one_and_inside_its_interval():
    figure = PatientResampling(["a", "b", "c", "d"], seed=0).median([4.0, 1.0, 3.0, 2.0])
    assert figure.value == 2.0
    assert figure.ci[0] <= 2.0 <= figure.ci[1]


def test_few_patients_have_no_interval():
    figure = PatientResampling([1, 1, 2], seed=0).mean([0.0, 1.0, 1.0])
    assert figure.value == pytest.approx(2 / 3)
    assert figure.ci is None


def test_unknown_cases_are_left_out():
    figure = PatientResampling([1, 2, 3, 4], seed=0).mean([1.0, np.nan, 1.0, 1.0])
    assert (figure.value, figure.n) == (1.0, 3)


def test_same_seed_same_interval():
    values = np.random.default_rng(0).normal(size=40)
    patients = np.arange(40) // 4
    first, again, other = (
        PatientResampling(patients, seed=seed).mean(values).ci for seed in (1, 1, 2)
    )
    assert first == again != other


def test_figures_as_json():
    content = {"a": Figure(0.5, (0.4, 0.6), 7, 0.1), "b": Figure(float("nan"), None, 0, None, "x")}
    assert figures_to_json(content) == {
        "a": {"value": 0.5, "ci": [0.4, 0.6], "n": 7, "chance": 0.1},
        "b": {"value": None, "ci": None, "n": 0, "chance": None, "note": "x"},
    }
