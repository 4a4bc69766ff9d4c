"""The counterfactual task on a cohort whose truth is known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from toy_bench import BenchModel, make_bench, make_truth

from napari_haiku.errors import HaikuError
from napari_haiku.evaluation import counterfactual
from napari_haiku.evaluation.counterfactual_tables import (
    ATLAS,
    BOTH,
    HEADS,
    NAIVE,
    PLACEBO_T,
    TableSettings,
)
from napari_haiku.evaluation.figures import figures_to_json
from napari_haiku.evaluation.request import EvaluateRequest
from napari_haiku.jobs import run_job

SETTINGS = TableSettings(
    k=20, placebo_tables=30, resamples=50, interval_resamples=100, query_patients=10
)


def cohort_of(folder, model, truth=None, **more):
    path = folder / "truth.parquet"
    (make_truth() if truth is None else truth).to_parquet(path)
    return SimpleNamespace(
        truth=path, model=model, require_model=lambda: model, fit=None, atlas=None, **more
    )


def lay(bench):
    def job(*_):
        return bench
        yield

    return job


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counterfactual")
    model = BenchModel()
    cohort = cohort_of(folder, model)
    request = EvaluateRequest(folder / "cohort.csv", folder, resamples=200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counterfactual, "lay_out", lay(make_bench(30, patches=36)))
        done = run_job(counterfactual.run(cohort, request, SETTINGS))
    return figures_to_json(done), folder


def test_every_figure_of_the_contract_is_there(answered):
    done, _ = answered
    for name in (
        "sign_accuracy", "spearman", "gain", "spill_over", "placebo_rate", "placebo_row_rate",
        "power", "coverage", "atlas_contrast_sign_accuracy", "travelling",
    ):  # fmt: skip
        assert {"value", "ci", "n", "chance"} <= set(done[name]), name
        assert np.isfinite(done[name]["value"]), name
    assert done["p_from"] == HEADS
    assert set(done["by_truth"]) == {"conditional", "marginal", "given_he"}
    assert list(done["by_edit"]) == ["stage: II to IV"]


def test_a_model_that_learned_the_truth_recovers_it(answered):
    done, _ = answered
    assert done["sign_accuracy"]["value"] > 0.8
    assert done["sign_accuracy"]["n"] == 6
    assert done["sign_accuracy"]["ci"][0] > 0.6
    assert done["spearman"]["value"] > 0.8
    assert done["gain"]["value"] > 0.1
    assert done["spill_over"]["value"] < 0.8
    assert done["tests"][PLACEBO_T]["power"]["value"] > 0.3
    assert done["atlas_contrast_sign_accuracy"]["value"] == 1


def test_naive_tests_reject_irrelevant_text_and_heads_do_not(answered):
    tests = answered[0]["tests"]
    assert tests[NAIVE]["placebo_row_rate"]["value"] > 0.35
    assert tests[NAIVE]["placebo_rate"]["value"] > 0.6
    assert tests[ATLAS]["placebo_row_rate"]["value"] > tests[HEADS]["placebo_row_rate"]["value"]
    assert tests[HEADS]["placebo_rate"]["value"] < 0.1
    assert tests[BOTH]["placebo_row_rate"]["value"] <= tests[HEADS]["placebo_row_rate"]["value"]
    assert tests[PLACEBO_T]["placebo_row_rate"]["value"] < 0.15
    assert tests[HEADS]["placebo_rate"]["n"] >= 30


def test_intervals_cover_the_shift_that_repeats(answered):
    done, folder = answered
    assert 0.85 < done["coverage"]["value"] <= 1
    table = pd.read_parquet(folder / "repeatable.parquet")
    assert {"edit", "niche", "marker", "repeatable_shift", "covered"} <= set(table.columns)
    assert (table["atlases"] == 30).all()
    assert "drawn anew from one pool" in done["coverage"]["note"]


def test_without_heads_p_comes_from_placebo_edits(tmp_path, monkeypatch):
    monkeypatch.setattr(counterfactual, "lay_out", lay(make_bench(8)))
    model = BenchModel(heads=0)
    request = EvaluateRequest(tmp_path / "c.csv", tmp_path, resamples=50)
    few = TableSettings(k=10, placebo_tables=8, resamples=20, query_patients=4)
    done = run_job(counterfactual.run(cohort_of(tmp_path, model), request, few))
    assert done["p_from"] == PLACEBO_T
    assert done["tests"][HEADS]["power"].value is None
    assert done["power"].value is not None
    assert done["coverage"].value is None
    assert "too few to draw atlases" in done["coverage"].note


def test_a_tower_that_learned_nothing_recovers_nothing(tmp_path, monkeypatch):
    """Over several models of pure chance, signs are right about half of the time."""
    monkeypatch.setattr(counterfactual, "lay_out", lay(make_bench(12)))
    few = TableSettings(k=10, placebo_tables=1, resamples=10, query_patients=8)
    values = []
    for seed in range(6):
        model = BenchModel(learned=0.0, heads=0, chance=0.3)
        model.read = lambda head, words, m=model, s=seed: BenchModel.read(m, 100 + s, words)
        found = run_job(counterfactual.recover(cohort_of(tmp_path, model), model, few))
        from napari_haiku.evaluation.counterfactual_scores import mean_shifts, sign_accuracy

        patients = np.unique(found.tables.patient)
        mean = mean_shifts(found.tables, 1, patients, np.ones((1, len(patients))))
        real = found.truth.role == "real"
        values.append(sign_accuracy(mean, found.truth.headline, real)[0])
    assert 0.1 < np.mean(values) < 0.9


def test_a_cohort_without_truth_is_refused(tmp_path):
    cohort = SimpleNamespace(truth=None, require_model=BenchModel)
    request = EvaluateRequest(tmp_path / "c.csv", tmp_path)
    with pytest.raises(HaikuError, match=r"no truth\.parquet"):
        run_job(counterfactual.run(cohort, request))


def test_nobody_who_carries_an_end_of_an_edit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(counterfactual, "lay_out", lay(make_bench(8)))
    truth = make_truth().assign(**{"from": "V", "to": "VI"})
    request = EvaluateRequest(tmp_path / "c.csv", tmp_path)
    with pytest.raises(HaikuError, match="three patients"):
        run_job(counterfactual.run(cohort_of(tmp_path, BenchModel(), truth), request, SETTINGS))


def test_roles_may_lie_beside_the_truth(tmp_path):
    truth = make_truth()
    rows = truth[["field", "from", "to", "niche", "marker", "role"]].drop_duplicates()
    rows.to_parquet(tmp_path / "truth_rows.parquet")
    truth.drop(columns="role").to_parquet(tmp_path / "truth.parquet")
    found = counterfactual.read_truth(tmp_path / "truth.parquet")
    assert found["role"].tolist() == truth["role"].tolist()
    (tmp_path / "truth_rows.parquet").unlink()
    with pytest.raises(HaikuError, match="no column role"):
        counterfactual.read_truth(tmp_path / "truth.parquet")
