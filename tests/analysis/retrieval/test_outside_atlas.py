"""Calibration of "unlike anything in the atlas"."""

import numpy as np
import pytest
from toy_cohort import toy_atlas, toy_slide, write_slide

from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerRequest, predict_biomarkers
from napari_haiku.analysis.retrieval.outside_atlas import OutsideCalibration, calibrate_outside
from napari_haiku.jobs import run_job


def test_about_the_quantile_of_known_tissue_is_flagged(encodings, atlas):
    calibration = run_job(calibrate_outside(atlas, quantile=0.05))
    assert calibration.patches == len(atlas)
    flagged = []
    for encoding in encodings[:6]:
        result = run_job(
            predict_biomarkers(encoding, atlas, BiomarkerRequest(k=5), calibration=calibration)
        )
        flagged.append(result.outside_atlas)
    assert 0.01 < np.concatenate(flagged).mean() < 0.12


def test_tissue_unlike_the_atlas_is_flagged(tmp_path, query, atlas):
    slide = toy_slide(np.random.default_rng(3), 0.0, (6, 9))
    strange = slide.he.copy()
    strange[:10] = 0
    strange[:10, 20] = 1
    other = write_slide(
        tmp_path / "strange",
        slide.__class__(strange, slide.mif, slide.expression, slide.niches, slide.rows, slide.cols),
        query.record,
        patient="x",
    )
    result = run_job(predict_biomarkers(other, atlas))
    assert result.outside_atlas[:10].all()
    assert result.outside_atlas[10:].mean() < 0.15


def test_patients_are_left_out_one_by_one(atlas, monkeypatch):
    """The threshold is the quantile of best similarities to other patients."""
    calibration = run_job(calibrate_outside(atlas))
    he, mif = (atlas.embeddings(name).astype(np.float64) for name in ("he", "mif"))
    patient = atlas.patches["patient_id"].to_numpy()
    scores = he @ mif.T
    scores[patient[:, None] == patient[None, :]] = -np.inf
    expected = np.quantile(scores.max(axis=1), 0.02)
    assert calibration.threshold == pytest.approx(expected, abs=1e-5)
    assert "other patients" in calibration.how


def test_one_patient_is_calibrated_over_a_gap(tmp_path, query):
    slide = toy_slide(np.random.default_rng(5), 0.0, (12, 15))
    only = write_slide(tmp_path / "only", slide, query.record, patient="only")
    atlas = toy_atlas(tmp_path, [only])
    calibration = run_job(calibrate_outside(atlas))
    he, mif = (atlas.embeddings(name).astype(np.float64) for name in ("he", "mif"))
    apart = np.linalg.norm(atlas.positions_um[:, None] - atlas.positions_um[None], axis=2)
    scores = np.where(apart < 500, -np.inf, he @ mif.T)
    expected = np.quantile(scores.max(axis=1), 0.02)
    assert calibration.threshold == pytest.approx(expected, abs=1e-5)
    assert "500 um" in calibration.how
    wider = run_job(calibrate_outside(atlas, within_patient_um=800.0))
    assert wider.threshold < calibration.threshold


def test_too_small_an_atlas_says_so_and_flags_nothing(lone_atlas):
    calibration = run_job(calibrate_outside(lone_atlas, within_patient_um=5000.0))
    assert np.isnan(calibration.threshold)
    assert "too small" in calibration.how
    assert not calibration.outside(np.array([0.1, -1.0])).any()


def test_an_atlas_without_he_says_so(tmp_path, query):
    slide = toy_slide(np.random.default_rng(5), 0.0, (6, 9))
    blind = write_slide(tmp_path / "b", slide, query.record, patient="b", modalities=("mif",))
    calibration = run_job(calibrate_outside(toy_atlas(tmp_path, [blind])))
    assert np.isnan(calibration.threshold)
    assert "no H&E" in calibration.how


def test_a_filter_that_leaves_a_patient_without_others_skips_that_patient(atlas):
    calibration = run_job(calibrate_outside(atlas, where="stage = 'IV' and sex = 'male'"))
    assert np.isfinite(calibration.threshold)


def test_no_match_at_all_is_outside():
    calibration = OutsideCalibration(0.5, 0.02, 100, "")
    assert calibration.outside(np.array([0.4, 0.6, np.nan])).tolist() == [True, False, True]


def test_same_seed_same_threshold(atlas):
    first, again = (run_job(calibrate_outside(atlas, seed=3)) for _ in range(2))
    assert first == again
