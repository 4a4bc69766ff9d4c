"""Biomarkers predicted from H&E and record."""

import json

import numpy as np
import pandas as pd
import pytest
from toy_cohort import MARKERS, toy_atlas, toy_slide, write_slide

from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerRequest, predict_biomarkers
from napari_haiku.analysis.counterfactual.result_tables import read_notes
from napari_haiku.analysis.retrieval.outside_atlas import OutsideCalibration
from napari_haiku.analysis.statistics.correlation import pearson_columns
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Progress, run_job
from napari_haiku.notices import SAME_PATIENT

KNOWN = OutsideCalibration(0.0, 0.02, 100, "given by the test")


def predict(encoding, atlas, calibration=KNOWN, **request):
    return run_job(
        predict_biomarkers(encoding, atlas, BiomarkerRequest(**request), calibration=calibration)
    )


def test_niche_markers_are_predicted_and_compared_with_the_measured(query, atlas):
    result = predict(query, atlas)
    assert result.markers == MARKERS
    assert result.values.shape == (len(query), len(MARKERS))
    assert result.pearson_r["PanCK"] > 0.9
    assert result.pearson_r["CD8"] > 0.7
    assert abs(result.pearson_r["Ki67"]) < 0.4
    np.testing.assert_array_equal(result.measured, query.expression)
    expected = pearson_columns(query.expression, result.values)
    np.testing.assert_allclose(list(result.pearson_r.values()), expected)
    assert result.mean_pearson_r == pytest.approx(expected.mean())
    assert result.label == ""
    assert result.weights == {"he": 0.8, "text": 0.2}


def test_a_prediction_is_the_weighted_mean_of_the_neighbours_it_names(query, atlas):
    result = predict(query, atlas, k=7, temperature=0.3)
    for patch in (0, 17, 71):
        neighbours = result.neighbours[patch]
        similarity = result.neighbour_similarity[patch].astype(float)
        weights = np.exp(similarity / (0.3 * np.ptp(similarity)))
        expected = np.average(atlas.expression[neighbours], axis=0, weights=weights)
        np.testing.assert_allclose(result.values[patch], expected, rtol=1e-5)
    assert (np.diff(result.neighbour_similarity, axis=1) <= 0).all()
    np.testing.assert_array_equal(result.similarity, result.neighbour_similarity[:, 0])


def test_similarity_is_the_weighted_mean_of_the_parts(query, atlas):
    result = predict(query, atlas, k=1, weights={"he": 3, "text": 1})
    row = result.neighbours[5, 0]
    vector = atlas.embeddings("mif")[row].astype(float)
    expected = 0.75 * vector @ query.embeddings("he")[5] + 0.25 * vector @ query.embeddings("text")
    assert result.similarity[5] == pytest.approx(expected, abs=1e-6)


def test_own_patient_is_out_by_default(encodings, atlas):
    result = predict(encodings[4], atlas)
    own = atlas.patches["patient_id"].to_numpy() == encodings[4].patient_id
    assert own.any()
    assert not own[result.neighbours].any()


def test_within_patient_keeps_the_patient_but_not_the_near_and_says_so(encodings, atlas):
    encoding = encodings[4]
    result = predict(encoding, atlas, within_patient_um=250.0)
    own = atlas.patches["patient_id"].to_numpy() == encoding.patient_id
    assert own[result.neighbours].any()
    query, place = np.nonzero(own[result.neighbours])
    rows = result.neighbours[query, place]
    apart = np.linalg.norm(atlas.positions_um[rows] - encoding.centres_um[query], axis=1)
    assert apart.min() >= 250
    assert result.label == SAME_PATIENT


def test_own_mif_is_never_asked(tmp_path, query, atlas):
    """Scrambling the slide's own mIF changes nothing but the comparison."""
    slide = toy_slide(np.random.default_rng(99), -1.0, (6, 12))
    rng = np.random.default_rng(0)
    scrambled = slide.__class__(
        slide.he,
        slide.mif[rng.permutation(len(slide.mif))],
        slide.expression[rng.permutation(len(slide.mif))],
        slide.niches,
        slide.rows,
        slide.cols,
    )
    other = write_slide(
        tmp_path / "query",
        scrambled,
        query.record,
        patient="patient-999",
        origin_um=(5000.0, 3000.0),
    )
    left, right = predict(query, atlas), predict(other, atlas)
    np.testing.assert_array_equal(left.values, right.values)
    np.testing.assert_array_equal(left.neighbours, right.neighbours)
    assert left.pearson_r != right.pearson_r


def test_only_some_rows(query, atlas):
    whole = predict(query, atlas)
    for rows in (slice(40, 50), np.arange(40, 50), np.isin(np.arange(72), np.arange(40, 50))):
        part = predict(query, atlas, rows=rows)
        np.testing.assert_array_equal(part.rows, np.arange(40, 50))
        np.testing.assert_array_equal(part.values, whole.values[40:50])
        np.testing.assert_array_equal(part.centres_um, query.centres_um[40:50])
        np.testing.assert_array_equal(part.measured, query.expression[40:50])


def test_no_row_chosen_is_refused(query, atlas):
    with pytest.raises(HaikuError, match="No patch was chosen"):
        predict(query, atlas, rows=np.zeros(len(query), bool))


def test_right_half_from_left_half_of_one_patient(query, lone_atlas):
    right = query.grid.cols >= 8
    with pytest.raises(HaikuError, match="own patient"):
        predict(query, lone_atlas, rows=right)
    result = predict(query, lone_atlas, None, rows=right, within_patient_um=200.0)
    assert len(result) == right.sum()
    assert result.label == SAME_PATIENT
    apart = np.linalg.norm(
        lone_atlas.positions_um[result.neighbours] - result.centres_um[:, None], axis=2
    )
    assert apart[result.neighbours >= 0].min() >= 200
    np.testing.assert_allclose(result.effective_patients, 1, rtol=1e-5)


def test_a_gap_wider_than_the_slide_leaves_nobody(query, lone_atlas):
    with pytest.raises(HaikuError, match="further than 9000 um"):
        predict(query, lone_atlas, within_patient_um=9000.0)


def test_a_marker_that_few_slides_measured_is_read_off_those(tmp_path, query, encodings):
    folder = tmp_path / "encodings"
    folder.mkdir()
    mixed = []
    for place in range(6):
        slide = toy_slide(np.random.default_rng([7, place]), 0.0, (6, 9))
        markers = MARKERS if place == 0 else MARKERS[:2]
        mixed.append(
            write_slide(
                folder / f"s{place}",
                slide,
                encodings[place].record,
                patient=f"q{place}",
                markers=markers,
            )
        )
    atlas = toy_atlas(tmp_path, mixed)
    result = predict(query, atlas, k=30)
    first = atlas.patches["patient_id"].to_numpy() == "q0"
    column = result.markers.index("CollagenIV")
    for patch in range(len(query)):
        rows = result.neighbours[patch]
        among = first[rows]
        if among.any():
            low, high = (
                atlas.expression[rows[among], column].min(),
                atlas.expression[rows[among], column].max(),
            )
            assert low - 1e-3 <= result.values[patch, column] <= high + 1e-3
            assert result.marker_patients[patch, column] == pytest.approx(1)
        else:
            assert np.isnan(result.values[patch, column])
    assert (result.marker_neighbours[:, 0] > result.marker_neighbours[:, column]).any()


def test_markers_that_the_slide_did_not_measure_have_no_r(tmp_path, query, atlas):
    slide = toy_slide(np.random.default_rng(99), -1.0, (6, 12))
    part = write_slide(
        tmp_path / "part", slide, query.record, patient="patient-999", markers=("CD8",)
    )
    result = predict(part, atlas)
    assert set(result.pearson_r) == {"CD8"}
    assert np.isnan(result.measured[:, 0]).all()
    he_only = write_slide(
        tmp_path / "he", slide, query.record, patient="patient-999", modalities=("he",)
    )
    result = predict(he_only, atlas)
    assert result.measured is None
    assert result.pearson_r == {}
    assert np.isnan(result.mean_pearson_r)


def test_without_a_record_the_question_is_he_alone(tmp_path, query, atlas):
    slide = toy_slide(np.random.default_rng(99), -1.0, (6, 12))
    bare = write_slide(tmp_path / "bare", slide, {}, patient="patient-999")
    assert predict(bare, atlas).weights == {"he": 1.0}
    with pytest.raises(HaikuError, match="no clinical record"):
        predict(bare, atlas, weights={"he": 0.8, "text": 0.2})


def test_a_slide_without_he_cannot_ask(tmp_path, query, atlas):
    slide = toy_slide(np.random.default_rng(1), 0.0, (6, 9))
    blind = write_slide(tmp_path / "blind", slide, query.record, patient="x", modalities=("mif",))
    with pytest.raises(HaikuError, match="no H&E"):
        predict(blind, atlas)


def test_an_atlas_without_mif_cannot_answer(tmp_path, query):
    slide = toy_slide(np.random.default_rng(1), 0.0, (6, 9))
    he = write_slide(tmp_path / "he", slide, query.record, patient="x", modalities=("he",))
    with pytest.raises(HaikuError, match="measured a marker"):
        predict(query, toy_atlas(tmp_path, [he]))


def test_filter_narrows_the_evidence(query, atlas):
    result = predict(query, atlas, where="stage = 'IV'")
    stages = atlas.patches["stage"].to_numpy()
    assert set(stages[result.neighbours].ravel()) == {"IV"}


def test_outside_is_told_by_he_alone(query, atlas):
    fussy = OutsideCalibration(0.9, 0.02, 100, "given by the test")
    result = predict(query, atlas, fussy)
    alone = predict(query, atlas, k=1, weights={"he": 1.0})
    np.testing.assert_array_equal(result.outside_atlas, alone.similarity < 0.9)
    shown = result.shown()
    assert np.isnan(shown[result.outside_atlas]).all()
    np.testing.assert_array_equal(
        shown[~result.outside_atlas], result.values[~result.outside_atlas]
    )
    assert np.isfinite(result.values).all()


def test_progress_flows_and_closing_cancels(query, atlas):
    job = predict_biomarkers(query, atlas, BiomarkerRequest())
    reports = [next(job), next(job)]
    assert all(isinstance(report, Progress) for report in reports)
    job.close()
    with pytest.raises(StopIteration):
        next(job)


def test_saved_tables_have_the_columns_of_the_design(tmp_path, query, atlas):
    result = predict(query, atlas)
    result.save(tmp_path / "out")
    for name, values in (("predictions", result.values), ("spread", result.spread)):
        table = pd.read_parquet(tmp_path / "out" / f"{name}.parquet")
        assert list(table.columns) == [
            "patch",
            "x_um",
            "y_um",
            "similarity",
            "outside_atlas",
            *MARKERS,
        ]
        np.testing.assert_array_equal(table[list(MARKERS)].to_numpy(), values)
        np.testing.assert_array_equal(table[["x_um", "y_um"]], query.centres_um)
        assert table["outside_atlas"].dtype == bool
    notes = read_notes(tmp_path / "out" / "predictions.parquet")
    assert notes["notice"] == "Research use only"
    assert "patient-999" not in json.dumps(notes)


def test_same_question_same_files(tmp_path, query, atlas):
    for name in ("a", "b"):
        predict(query, atlas, None).save(tmp_path / name)
    for file in ("predictions.parquet", "spread.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_another_models_atlas_is_refused(query, atlas, monkeypatch):
    monkeypatch.setitem(atlas.description["model"], "fingerprint", "other")
    with pytest.raises(HaikuError, match="another model"):
        predict(query, atlas)


@pytest.mark.parametrize(
    "bad",
    [{"k": 0}, {"temperature": 0.0}, {"temperature": float("nan")}, {"within_patient_um": -1}],
)
def test_impossible_requests_are_refused(bad):
    with pytest.raises(HaikuError):
        BiomarkerRequest(**bad)


def test_a_model_without_mif_vectors_is_named(query, atlas, monkeypatch):
    """Vectors of H&E alone cannot be compared with measured patches."""
    monkeypatch.setitem(atlas.description, "modalities", ["he", "text"])
    with pytest.raises(HaikuError, match="model toy has no mIF vectors"):
        predict(query, atlas)
