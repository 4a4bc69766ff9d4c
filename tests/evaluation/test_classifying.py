"""Neighbours, probes, prompts and places: labels that can and cannot be told."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from drawn_cohort import DIM, draw_patients, unit

from napari_haiku.errors import HaikuError
from napari_haiku.evaluation import knn, linear_probe, robustness, zero_shot
from napari_haiku.evaluation.labels import label_fields, place_fields
from napari_haiku.evaluation.probing import RidgeClassifier, patient_folds, probe, published_probe
from napari_haiku.evaluation.votes import by_patient, class_figures
from napari_haiku.jobs import run_job


def test_a_label_that_is_in_the_tissue_is_told(make_cohort, ask):
    cohort = make_cohort(n=12, patches=8, label_signal=2.0)
    for module, key in ((knn, "accuracy@10"), (linear_probe, "accuracy")):
        found = run_job(module.run(cohort, ask()))
        way = "he->he" if module is knn else "he"
        assert found["disease"][way][key].value > 0.9
        assert found["disease"][way][key].chance == 0.5
        noise = found["baselines"]["random"]["disease"][way][key]
        assert 0.3 < noise.value < 0.7


@pytest.mark.parametrize("module", [knn, linear_probe])
def test_a_label_of_patients_alone_is_not_told(module, make_cohort, ask):
    """Each patient's tissue looks like nobody else's: only a leak could tell the label."""
    rng = np.random.default_rng(3)
    patients = draw_patients(n=12, patches=10, seed=3)
    for patient in patients:
        patient.mif = unit(4 * rng.normal(size=(1, DIM)) + patient.mif)
        patient.he = patient.mif.copy()
    cohort = make_cohort(patients)
    key = "balanced_accuracy@5" if module is knn else "balanced_accuracy"
    way = "he->he" if module is knn else "he"
    honest = run_job(module.run(cohort, ask()))["disease"][way][key]
    published = run_job(module.run(cohort, ask(protocol="published")))["disease"][way][key]
    assert published.value > 0.95
    assert honest.value < 0.8


def test_votes_are_sums_of_similarities():
    found = np.array([[0, 1, 1, -1]])
    alike = np.array([[0.9, 0.5, 0.3, 0.0]], np.float32)
    assert knn._votes(found, alike, 3)[0, :2] == pytest.approx([0.9, 0.8])
    assert np.isnan(knn._votes(found, alike, 3)[0, 2])


def test_class_figures_by_hand(ask):
    truth = np.array([0, 0, 0, 1])
    said = np.array([0, 0, 1, -1])
    figures = class_figures(truth, said, np.arange(4), 2, ask())
    assert figures["accuracy"].value == pytest.approx(2 / 4)
    assert figures["accuracy"].chance == pytest.approx(3 / 4)
    assert figures["balanced_accuracy"].value == pytest.approx((2 / 3 + 0) / 2)
    assert figures["macro_f1"].value == pytest.approx((2 * 2 / (3 + 2) + 0) / 2)


def test_one_verdict_a_patient():
    scores = np.array([[0.9, 0.1], [0.2, 0.3], [0.1, 0.9]])
    truth, said, patients = by_patient(scores, np.array([0, 0, 1]), np.array([7, 7, 8]))
    assert (truth.tolist(), said.tolist(), patients.tolist()) == ([0, 1], [0, 1], [7, 8])


def test_folds_keep_patients_together_and_spread_classes():
    patients = np.repeat(np.arange(20), 5)
    classes = np.repeat(np.arange(20) % 2, 5)
    fold = patient_folds(classes, patients, 5, 0)
    assert all(len(set(fold[patients == patient])) == 1 for patient in range(20))
    for number in range(5):
        assert (classes[fold == number] == 0).sum() == 10


def test_each_patient_is_tested_by_a_probe_that_did_not_see_it(monkeypatch):
    from napari_haiku.evaluation import probing

    seen = []

    class Watched(RidgeClassifier):
        def __init__(self, vectors, classes, n_classes):
            seen.append(set(vectors[:, 0].tolist()))
            super().__init__(vectors, classes, n_classes)

        def scores(self, vectors, penalty):
            assert not seen[-1] & set(vectors[:, 0].tolist())
            return super().scores(vectors, penalty)

    monkeypatch.setattr(probing, "RidgeClassifier", Watched)
    patients = np.repeat(np.arange(12), 4)
    vectors = np.random.default_rng(0).normal(size=(48, 3))
    vectors[:, 0] = patients
    found = run_job(probe(vectors, patients % 2, patients, 2, seed=0, doing=""))
    assert np.isfinite(found.scores).all()
    assert len(found.penalties) == 5


def test_ridge_classifier_is_weighted_ridge_regression():
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    rows, classes = rng.normal(size=(60, 4)), (np.arange(60) < 15).astype(int)
    weight = np.where(classes == 1, 1 / 30, 1 / 90)
    centre = weight @ rows
    spread = np.sqrt(weight @ (rows - centre) ** 2)
    z = (rows - centre) / spread
    target = np.eye(2)[classes] - 0.5
    theirs = Ridge(alpha=0.3, fit_intercept=False).fit(z, target, sample_weight=weight)
    ours = RidgeClassifier(rows, classes, 2).scores(rows, 0.3)
    assert ours == pytest.approx(theirs.predict(z), abs=1e-8)


def test_the_published_probe_is_logistic_regression_on_patches():
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(40, 4)))
    classes = (vectors[:, 0] > 0).astype(int)
    found = run_job(published_probe(vectors, classes, 2, doing=""))
    assert (found.said == classes).mean() > 0.85
    assert len(found.penalties) == 1


def test_fields_that_form_classes(make_cohort, ask):
    cohort = make_cohort(n=12)
    assert [field.name for field in label_fields(cohort, ask())] == ["disease"]
    assert [field.name for field in place_fields(cohort)] == ["site"]
    assert [f.name for f in label_fields(cohort, ask(labels=("site",)))] == ["site"]


def test_rare_values_and_fields_without_effect_are_no_classes(make_cohort, ask):
    patients = draw_patients(n=12)
    for number, patient in enumerate(patients):
        patient.record["grade"] = "G3" if number < 2 else f"G{number % 2 + 1}"
        patient.record |= {"ward_colour": "teal", "courier_route": ("oak", "elm")[number % 2]}
        patient.record |= {"label_printer": ("old", "new")[number // 6], "tissue": "Lung"}
        patient.record |= {"again": patient.record["disease"].lower()}
    fields = {field.name: field for field in label_fields(make_cohort(patients), ask())}
    assert set(fields) == {"disease", "grade"}
    assert fields["grade"].classes == ("G1", "G2")
    assert (fields["grade"].code == -1).sum() == 20


@pytest.mark.parametrize(
    ("label", "says"),
    [("mood", "no field 'mood'"), ("age", "two are needed"), ("patient_no", "identifies")],
)
def test_impossible_labels_are_refused(label, says, make_cohort, ask):
    patients = draw_patients(n=6)
    for number, patient in enumerate(patients):
        patient.record["patient_no"] = str(number)
    with pytest.raises(HaikuError, match=says):
        label_fields(make_cohort(patients), ask(labels=(label,)))


class Reader:
    """A text tower that knows what the two diseases look like."""

    name = "reader"
    modalities = frozenset(("he", "mif", "text"))
    shared_space = True
    card: ClassVar[dict] = {}

    def __init__(self, towards):
        self.read = []
        self._towards = towards

    def encode_text(self, captions):
        self.read += captions
        return np.stack([self._towards["Lung" in text] for text in captions]).astype(np.float32)


def test_zero_shot_reads_five_prompts_and_no_record(make_cohort, ask):
    cohort = make_cohort(n=8, label_signal=3.0)
    he = np.asarray(cohort.atlas.embeddings("he"), float)
    lung = cohort.records["disease"].to_numpy(str)[cohort.atlas.slide_index] == "Lung Cancer"
    model = Reader({True: unit(he[lung].mean(0)[None])[0], False: unit(he[~lung].mean(0)[None])[0]})
    found = run_job(zero_shot.run(replace(cohort, model=model), ask()))
    assert found["disease"]["he"]["accuracy"].value > 0.9
    assert len(set(model.read)) == 10
    assert all(("Lung Cancer" in text) != ("Colon Cancer" in text) for text in model.read)
    model.read.clear()
    run_job(zero_shot.run(replace(cohort, model=model), ask(protocol="published")))
    assert "Histological finding: Colon Cancer." in model.read


def test_zero_shot_needs_the_model(make_cohort, ask):
    with pytest.raises(HaikuError, match="--model"):
        run_job(zero_shot.run(make_cohort(n=8), ask()))


def test_a_site_in_the_vectors_is_found(make_cohort, ask):
    marked = run_job(robustness.run(make_cohort(n=16, site_signal=2.0), ask()))
    clean = run_job(robustness.run(make_cohort(n=16), ask()))
    assert marked["he"]["place"]["site"].value > 0.9
    assert clean["he"]["place"]["site"].value < 0.75
    hits = marked["he"]["own_place_hits"]["site"]
    assert hits.value > 0.7
    # Of sixteen patients, seven others share the site and eight do not.
    assert hits.chance == pytest.approx(7 / 15)
    assert clean["he"]["own_place_hits"]["site"].value == pytest.approx(7 / 15, abs=0.1)


def test_robustness_needs_a_place(make_cohort, ask):
    patients = draw_patients(n=8)
    for patient in patients:
        del patient.record["site"]
    with pytest.raises(HaikuError, match="site, scanner"):
        run_job(robustness.run(make_cohort(patients), ask()))
