from dataclasses import replace

import numpy as np
import pytest
from drawn_cohort import MARKERS, draw_patients

from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerRequest
from napari_haiku.analysis.retrieval.neighbour_average import average_neighbours, softmax_weights
from napari_haiku.analysis.statistics.correlation import pearson_columns
from napari_haiku.atlas.search import Exclusion, search
from napari_haiku.errors import HaikuError
from napari_haiku.evaluation import biomarkers, ceiling
from napari_haiku.jobs import run_job


def by_the_command(atlas, patient: int) -> np.ndarray:
    """What the biomarkers command reads off for one slide, from its own parts."""
    rows = np.flatnonzero(atlas.slide_index == patient)
    he, text = (np.asarray(atlas.embeddings(m)[rows], np.float64) for m in ("he", "text"))
    request = BiomarkerRequest()
    hits = search(
        atlas,
        (0.8 * he + 0.2 * text).astype(np.float32),
        k=request.k,
        exclude=Exclusion(f"secret-{patient}"),
    )
    share = softmax_weights(hits.similarity, hits.found, request.temperature)
    values = np.where(hits.found[:, :, None], atlas.expression[hits.indices], np.nan)
    return average_neighbours(values, share, hits.indices).mean


def test_the_prediction_is_that_of_the_command(make_cohort, ask):
    cohort = make_cohort(n=6, patches=12)
    found = run_job(biomarkers.run(cohort, ask()))
    atlas = cohort.atlas
    predicted = np.concatenate([by_the_command(atlas, patient) for patient in range(6)])
    r = pearson_columns(atlas.expression, predicted)
    for marker, value in zip(MARKERS, r, strict=True):
        assert found["per_marker"][marker].value == pytest.approx(value, abs=1e-6)
    assert found["mean_r"].value == pytest.approx(r.mean(), abs=1e-6)
    assert found["mean_r"].n == 72
    within = [
        pearson_columns(atlas.expression[part], predicted[part]).mean()
        for part in (slice(12 * p, 12 * p + 12) for p in range(6))
    ]
    assert found["mean_r_within_slide"].value == pytest.approx(np.mean(within), abs=1e-6)


def test_own_patient_is_out_unless_published(make_cohort, ask):
    """Without noise every patch finds itself, which answers perfectly."""
    rng = np.random.default_rng(0)
    patients = draw_patients(n=6, patches=12, noise=0.0)
    for patient in patients:
        patient.expression[:] = rng.normal(size=patient.expression.shape)
    cohort = make_cohort(patients)
    honest = run_job(biomarkers.run(cohort, ask()))
    published = run_job(biomarkers.run(cohort, ask(protocol="published")))
    assert abs(honest["mean_r"].value) < 0.3
    assert published["mean_r"].value > honest["mean_r"].value + 0.2
    assert published["settings"] == {
        "neighbours": 5, "weights": {"he": 0.8, "text": 0.2}, "own_patient": "in",
    }  # fmt: skip


def test_missing_markers_are_skipped_not_invented(make_cohort, ask):
    patients = draw_patients(n=6, patches=10)
    for patient in patients[:3]:
        patient.expression[:, 1] = np.nan
    found = run_job(biomarkers.run(make_cohort(patients), ask()))
    assert found["per_marker"]["CD8"].n == 30
    assert found["per_marker"]["DAPI"].n == 60
    assert 0.2 < found["per_marker"]["CD8"].value < 1


def test_a_marker_of_one_patient_has_no_figure(make_cohort, ask):
    patients = draw_patients(n=5, patches=10)
    for patient in patients[1:]:
        patient.expression[:, 2] = np.nan
    found = run_job(biomarkers.run(make_cohort(patients), ask()))
    assert found["per_marker"]["PanCK"].value is None
    assert found["mean_r"].value is not None


def test_panels_that_never_overlap_are_refused(make_cohort, ask):
    patients = draw_patients(n=3)
    for number, patient in enumerate(patients):
        patient.expression[:, np.arange(3) != number] = np.nan
    with pytest.raises(HaikuError, match=r"No marker was measured on two patients.*column mif"):
        run_job(biomarkers.run(make_cohort(patients), ask()))


def test_one_patient_is_refused(make_cohort, ask):
    with pytest.raises(HaikuError, match="one patient"):
        run_job(biomarkers.run(make_cohort(n=1), ask()))


def test_the_ceiling_stands_beside(make_cohort, ask, monkeypatch, tmp_path):
    cohort = make_cohort(n=5, patches=10)
    measured = np.asarray(cohort.atlas.expression, float)
    noise = np.random.default_rng(0).normal(size=measured.shape) * measured.std(axis=0)

    def known(_):
        yield from ()
        return measured + noise

    monkeypatch.setattr(biomarkers, "expected_means", known)
    found = run_job(biomarkers.run(cohort, ask()))
    r = pearson_columns(measured, measured + noise)
    assert found["ceiling"].value == pytest.approx(r.mean(), abs=1e-6)
    assert 0.5 < found["ceiling"].value < 0.9


def test_no_ceiling_for_a_cohort_that_is_not_virtual(make_cohort, ask):
    assert run_job(ceiling.expected_means(make_cohort(n=3))) is None
    assert "ceiling" not in run_job(biomarkers.run(make_cohort(n=3), ask()))


def test_random_vectors_predict_nothing(make_cohort, ask):
    found = run_job(biomarkers.run(make_cohort(n=12, patches=20), ask()))
    assert abs(found["baselines"]["random"]["mean_r"].value) < 0.25
    assert found["mean_r"].value > 0.6


def test_only_the_chosen_patches_are_looked_at(make_cohort, ask):
    cohort = make_cohort(n=6, patches=10)
    some = replace(cohort, rows=np.arange(0, 60, 2))
    assert run_job(biomarkers.run(some, ask()))["mean_r"].n == 30
