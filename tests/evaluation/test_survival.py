import json

import numpy as np
import pandas as pd
import pytest
from patient_cohort import patient_cohort

from napari_haiku.analysis.outcome.mil import PooledRidge
from napari_haiku.errors import HaikuError
from napari_haiku.evaluation import survival
from napari_haiku.evaluation.figures import figures_to_json
from napari_haiku.evaluation.request import EvaluateRequest
from napari_haiku.jobs import run_job


@pytest.fixture(autouse=True)
def two_methods(monkeypatch):
    """Heads that are quick to fit; the networks have tests of their own."""
    monkeypatch.setattr(survival, "METHODS", (PooledRidge("mean"), PooledRidge("spread", "spread")))


def ask(cohort, tmp_path, **options):
    request = EvaluateRequest(tmp_path / "c.csv", tmp_path, resamples=60, **options)
    return figures_to_json(run_job(survival.run(cohort, request)))


def test_fitted_on_one_cohort_and_tested_on_another(tmp_path):
    test = patient_cohort(150, 1, fit=patient_cohort(80, 0), folder=tmp_path)
    truth = pd.DataFrame({"slide_id": test.slides["slide_id"], "log_hazard": test.atlas.latent})
    truth.iloc[::-1].to_parquet(tmp_path / "patients.parquet")
    done = ask(test, tmp_path)
    json.dumps(done)
    assert done["c_index"]["value"] > done["oracle_c_index"]["value"] - 0.06
    assert done["oracle_c_index"]["value"] > 0.7
    low, high = done["c_index"]["ci"]
    assert 0.5 < low < done["c_index"]["value"] < high
    assert done["c_index"]["n"] == 150
    assert done["patients_fitted_on"] == 80
    assert "(grade)" in done["c_index"]["note"]  # neither the outcome nor the site
    assert set(done["inputs"]) == {"he", "mif", "he+mif", "images", "images and record"}
    assert done["c_index"]["value"] == done["inputs"]["images and record"]["value"]
    assert 0.55 < done["baselines"]["record"]["value"] < done["inputs"]["images"]["value"]
    assert set(done["methods"]["mif"]) == {"mean", "spread", "average"}
    assert done["inputs"]["mif"]["value"] > done["inputs"]["he"]["value"] + 0.1
    assert done["baselines"]["random"]["value"] < done["c_index"]["value"] - 0.1
    assert done["baselines"]["markers"]["value"] > 0.65
    split = done["kaplan_meier"]
    assert split["log_rank_p"]["value"] < 0.01
    assert split["high_risk"]["patients"] + split["low_risk"]["patients"] == 150
    assert split["high_risk"]["median"] < split["low_risk"]["time"][-1]


def test_without_another_cohort_folds_of_patients(tmp_path):
    done = ask(patient_cohort(60), tmp_path)
    assert done["c_index"]["value"] > 0.65
    assert "nested folds" in done["c_index"]["note"]
    assert "oracle_c_index" not in done
    assert done == ask(patient_cohort(60), tmp_path)


def test_nothing_is_found_in_nothing(tmp_path):
    values = [
        ask(patient_cohort(60, seed, seen=0.0), tmp_path)["inputs"]["he+mif"]["value"]
        for seed in range(2)
    ]
    assert 0.36 < np.mean(values) < 0.62


def test_the_outcome_does_not_reach_the_heads(tmp_path):
    """Scores of the tested patients stay the same whatever became of them."""
    fit, test = patient_cohort(60, 0), patient_cohort(40, 1)
    first = ask(type(test)(test.atlas, None, None, fit), tmp_path)
    changed = test.atlas.records["survival_months"].sample(frac=1, random_state=0).to_numpy()
    test.atlas.records["survival_months"] = changed
    second = ask(type(test)(test.atlas, None, None, fit), tmp_path)
    for group in ("high_risk", "low_risk"):
        for name in ("patients", "deaths"):
            assert first["kaplan_meier"][group][name] == second["kaplan_meier"][group][name]
    assert first["c_index"]["value"] != second["c_index"]["value"]


def test_other_columns_and_missing_outcomes(tmp_path):
    cohort = patient_cohort(60)
    table = cohort.atlas.records
    table["OSDays"] = table.pop("survival_months")
    table["OSCensor"] = (table.pop("survival_status") == "Alive").astype(int).astype(str)
    table.loc[:4, "OSDays"] = ""
    cohort.atlas.fields = ("grade", "OSDays", "OSCensor")
    done = ask(cohort, tmp_path, time="OSDays", censor="OSCensor")
    assert done["c_index"]["n"] == 55
    assert done["patients_without_outcome"] == 5
    with pytest.raises(HaikuError, match="no field 'survival_months'"):
        ask(cohort, tmp_path)


def test_a_record_that_knows_more_than_tissue_joins_it(tmp_path):
    cohorts = []
    for n, seed in ((100, 0), (150, 1)):
        cohort = patient_cohort(n, seed, seen=0.5)
        cohort.atlas.records["Age"] = np.round(60 + 10 * cohort.atlas.latent, 1).astype(str)
        cohort.atlas.fields = (*cohort.atlas.fields, "Age")
        cohorts.append(cohort)
    done = ask(type(cohorts[1])(cohorts[1].atlas, None, None, cohorts[0]), tmp_path)
    images, both = (done["inputs"][name]["value"] for name in ("images", "images and record"))
    assert both > images + 0.03
    assert "(grade, Age)" in done["c_index"]["note"]


def test_an_outcome_of_an_early_name_is_no_input(tmp_path):
    cohort = patient_cohort(60)
    table = cohort.atlas.records
    table["stage"] = table.pop("survival_months")
    table["grade"] = "G2"
    cohort.atlas.fields = ("grade", "stage", "survival_status")
    done = ask(cohort, tmp_path, time="stage", event="survival_status")
    assert set(done["inputs"]) == {"he", "mif", "he+mif", "images"}
    assert "record" not in done["baselines"]
    assert "on the record" not in done["c_index"]["note"]


def test_a_field_that_one_cohort_lacks_is_left_out(tmp_path):
    fit, test = patient_cohort(60, 0), patient_cohort(40, 1)
    test.atlas.records = test.atlas.records.drop(columns="grade")
    test.atlas.fields = ("survival_months", "survival_status", "site")
    done = ask(type(test)(test.atlas, None, None, fit), tmp_path)
    assert "record" not in done["baselines"]
    assert done["c_index"]["value"] == done["inputs"]["images"]["value"]


def test_patients_without_a_record_still_count(tmp_path):
    fit, test = patient_cohort(60, 0), patient_cohort(40, 1)
    for cohort, empty in ((fit, 9), (test, 5)):
        cohort.atlas.records.loc[: empty - 1, "grade"] = ""
    done = ask(type(test)(test.atlas, None, None, fit), tmp_path)
    assert done["patients_fitted_on"] == 60
    assert done["c_index"]["n"] == 40
    assert done["patients_without_image"] == 0
    assert "images and record" in done["inputs"]


def test_too_few_patients_and_bad_tables_are_refused(tmp_path):
    with pytest.raises(HaikuError, match="at least 25 patients and 10 deaths"):
        ask(patient_cohort(12), tmp_path)
    cohort = patient_cohort(30)
    cohort.atlas.records["survival_status"] = "Alive"
    with pytest.raises(HaikuError, match="no death"):
        ask(cohort, tmp_path)
    cohort = patient_cohort(30, folder=tmp_path)
    (tmp_path / "patients.parquet").write_bytes(b"not a table")
    with pytest.raises(HaikuError, match=r"patients\.parquet beside the manifest cannot be read"):
        ask(cohort, tmp_path)


def test_marks_of_patients_that_all_fall_on_one_side():
    from napari_haiku.analysis.outcome.survival_times import SurvivalTimes
    from napari_haiku.evaluation.mil_selection import Predictions

    times = SurvivalTimes.from_arrays([1, 2, 3], [1, 1, 0])
    split = survival._split(Predictions(best=np.ones((3, 1))), times)
    assert split["log_rank_p"].value is None
    assert split["low_risk"]["patients"] == 0
