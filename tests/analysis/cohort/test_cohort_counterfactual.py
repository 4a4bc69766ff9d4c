"""The cohort counterfactual on the toy cohort, whose truth is known."""

import json

import numpy as np
import pandas as pd
import pytest
from headed_model import HeadedModel
from toy_cohort import MARKERS, ToyModel

from napari_haiku.analysis.cohort import cohort_tests
from napari_haiku.analysis.cohort.cohort_counterfactual import (
    CohortCounterfactualRequest,
    run_cohort_counterfactual,
)
from napari_haiku.analysis.cohort.cohort_result import AGREEMENT_LABEL
from napari_haiku.analysis.counterfactual.result_tables import read_notes
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job
from napari_haiku.notices import SAME_PATIENT

FEW = {"k": 10, "resamples": 30}


def ask(atlas, model=None, **request):
    request = {"cohort": "stage = 'II'", "edits": {"stage": "IV"}} | FEW | request
    return run_job(
        run_cohort_counterfactual(
            atlas, model or ToyModel(), CohortCounterfactualRequest(**request)
        )
    )


@pytest.fixture(scope="module")
def to_four(atlas):
    with pytest.MonkeyPatch.context() as patch:
        # The toy cohort has six patients of stage II.
        patch.setattr(cohort_tests, "MIN_PATIENTS", 5)
        return ask(atlas, HeadedModel())


def test_the_marker_that_follows_stage_shifts_over_the_cohort(to_four):
    table = to_four.shifts.set_index("marker")
    assert table["shift"].abs().idxmax() == "CD8"
    assert table.loc["CD8", "shift"] > 0.1
    assert table.loc["CD8", "d_z"] > 1
    assert table.loc["CD8", "ci_low"] > 0
    assert table.loc["CD8", "contrast"] > 0
    assert table.loc["CD8", "p"] < 0.05
    assert len(to_four.patients) == 6


def test_columns_are_those_of_the_single_slide_and_more(to_four):
    assert {
        "niche", "marker", "n", "baseline", "counterfactual", "shift", "ci_low", "ci_high", "p",
        "q", "placebo_p", "tissue_low", "tissue_high", "contrast", "contrast_p", "supported",
        "d_z", "patients_low", "patients_high", "agreement_p", "agreement_q", "kept",
    } <= set(to_four.shifts.columns)  # fmt: skip
    assert to_four.shifts["n"].tolist() == [6] * 4
    np.testing.assert_allclose(
        to_four.shifts["shift"], to_four.shifts["counterfactual"] - to_four.shifts["baseline"]
    )


def test_the_mean_is_that_of_the_patients(to_four):
    np.testing.assert_allclose(to_four.shifts["shift"], to_four.theta.mean(axis=0))
    assert "16 refitted text heads" in to_four.inference
    assert "placebo edits" in to_four.inference
    assert 0 < to_four.whole_edit_p <= 1


def test_own_patient_never_answers_unless_asked(atlas, to_four):
    assert (to_four.own_share == 0).all()
    assert to_four.label == ""
    same = ask(atlas, resamples=0, placebo=False, within_patient_um=0.0)
    assert same.label == SAME_PATIENT
    assert same.own_share.mean() > 0


def test_placebo_p_where_there_are_no_heads(atlas, monkeypatch):
    monkeypatch.setattr(cohort_tests, "MIN_PATIENTS", 5)
    result = ask(atlas, resamples=0)
    # A marker that fails quality control keeps its row and has no p.
    assert (result.shifts["p"].notna() == result.shifts["kept"]).all()
    assert result.shifts["kept"].sum() >= 3
    assert "placebo edits" in result.inference
    bare = ask(atlas, ToyModel(placebo=False), resamples=0)
    assert bare.shifts["p"].isna().all()
    assert "not estimable" in bare.inference


def test_too_few_patients_for_a_test_have_none(atlas):
    result = ask(atlas, resamples=0, placebo=False)
    assert result.shifts[["d_z", "agreement_p", "agreement_q", "q"]].isna().all().all()
    assert result.groups is None
    assert np.isfinite(result.shifts["shift"]).all()


def test_patients_and_markers_are_grouped(to_four):
    groups = to_four.groups
    assert sorted(groups.patients) == list(range(6))
    assert sorted(groups.markers) == list(range(len(to_four.kept_markers)))
    assert groups.scores.shape == (6, 2)


def test_weighting_by_scores_changes_little(atlas, to_four):
    scored = ask(atlas, resamples=0, placebo=False, weighting="scores")
    np.testing.assert_allclose(scored.theta, to_four.theta, atol=0.1)
    assert not np.array_equal(scored.theta, to_four.theta)


def test_saved_under_pseudonyms(tmp_path, to_four):
    to_four.save(tmp_path)
    assert len(pd.read_csv(tmp_path / "shifts.csv")) == len(MARKERS)
    patients = pd.read_parquet(tmp_path / "patients.parquet")
    assert patients["patient"].str.fullmatch(r"P\d\d").all()
    notes = read_notes(tmp_path / "patients.parquet")
    assert notes["agreement"] == AGREEMENT_LABEL
    assert "patient-0" not in json.dumps(notes)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"edits": {"mood": "good"}}, "no field"),
        ({"edits": {"patient_id": "x"}}, "identifies a person"),
        ({"edits": {}}, "Nothing was edited"),
        ({"edits": {"stage": "II"}}, "Fewer than two patients"),
        ({"edits": {"stage": "*x"}}, "no factor"),
        ({"k": 0}, "at least 1"),
        ({"label": ("sex", "female", "male")}, "needs at least 5"),
        ({"cohort": "stage = 'V'"}, "fits the filter"),
    ],
)
def test_bad_input_is_told_in_a_sentence(atlas, monkeypatch, request_, told):
    monkeypatch.setattr(cohort_tests, "MIN_PATIENTS", 5)
    with pytest.raises(HaikuError, match=told):
        ask(atlas, **({"resamples": 0, "placebo": False} | request_))
