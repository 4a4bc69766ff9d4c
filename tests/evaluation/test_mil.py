import numpy as np
import pytest
from patient_cohort import patient_cohort

from napari_haiku.analysis.outcome.mil import PooledRidge
from napari_haiku.errors import HaikuError
from napari_haiku.evaluation import mil
from napari_haiku.evaluation.figures import figures_to_json
from napari_haiku.evaluation.request import EvaluateRequest
from napari_haiku.jobs import run_job


@pytest.fixture(autouse=True)
def one_method(monkeypatch):
    """A head that is quick to fit; the networks have tests of their own."""
    monkeypatch.setattr(mil, "METHODS", (PooledRidge("mean"),))


def ask(cohort, tmp_path, **options):
    request = EvaluateRequest(tmp_path / "c.csv", tmp_path, resamples=60, **options)
    return figures_to_json(run_job(mil.run(cohort, request)))


def test_what_tissue_shows_is_told_and_what_it_does_not_is_not(tmp_path):
    cohort = patient_cohort(60, 1, fit=patient_cohort(80, 0))
    done = ask(cohort, tmp_path, labels=("grade", "site"))
    grade, site = done["grade"], done["site"]
    assert grade["auroc"]["value"] > 0.85
    assert grade["balanced_accuracy"]["value"] > 0.75
    assert grade["auprc"]["value"] > 0.8
    assert grade["auroc"]["ci"][0] > 0.5
    assert grade["classes"] == ["G1", "G3"]
    assert grade["auroc"]["chance"] == 0.5
    assert grade["baselines"]["random"]["auroc"]["value"] < 0.7
    assert 0.25 < site["auroc"]["value"] < 0.75


def test_folds_of_patients_without_another_cohort(tmp_path):
    done = ask(patient_cohort(60), tmp_path, labels=("grade",))
    assert done["grade"]["auroc"]["value"] > 0.8
    assert done["grade"]["auroc"]["n"] == 60


def test_fields_are_chosen_from_the_records(tmp_path):
    done = ask(patient_cohort(60), tmp_path)
    assert "grade" in done
    assert "survival_months" not in done
    assert "site" not in done


def test_rare_classes_are_refused(tmp_path):
    cohort = patient_cohort(60)
    cohort.atlas.records["grade"] = np.where(np.arange(60) < 5, "G3", "G1")
    with pytest.raises(HaikuError, match="two classes of at least 10 patients"):
        ask(cohort, tmp_path, labels=("grade",))


def test_average_precision_agrees_with_scikit_learn():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    for _ in range(5):
        positive, score = rng.random(40) < 0.4, rng.integers(0, 6, 40).astype(float)
        ours = mil.average_precision(positive, score)
        assert ours == pytest.approx(average_precision_score(positive, score))
    assert np.isnan(mil.average_precision(np.ones(3, bool), np.arange(3)))
