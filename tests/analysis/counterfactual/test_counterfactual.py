"""The counterfactual on a cohort whose truth is known."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from toy_cohort import (
    MARKERS,
    PLACEBO_FIELDS,
    ToyModel,
    ask,
    toy_atlas,
    toy_slide,
    write_slide,
)

from napari_haiku.analysis.biomarkers.readout import mean_of_neighbours
from napari_haiku.analysis.counterfactual.counterfactual import (
    CounterfactualRequest,
    run_counterfactual,
)
from napari_haiku.analysis.counterfactual.result_tables import read_notes
from napari_haiku.analysis.counterfactual.shift_table import COLUMNS
from napari_haiku.analysis.niches.niches import NicheLabels, find_niches
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job
from napari_haiku.notices import ASSOCIATION, SAME_PATIENT


@pytest.fixture(scope="module")
def to_four(query, atlas, bands):
    return ask(query, atlas, {"stage": "IV"}, bands)


def row(result, niche, marker):
    table = result.shifts
    return table[(table["niche"] == niche) & (table["marker"] == marker)].iloc[0]


def test_the_marker_that_follows_stage_shifts_in_its_niche(to_four):
    found = row(to_four, 2, "CD8")
    assert found["shift"] > 0.2
    assert found["ci_low"] > 0
    assert found["contrast"] > 0
    assert found["contrast_p"] < 0.05
    assert abs(row(to_four, 2, "PanCK")["shift"]) < 0.15


def test_table_has_every_niche_and_marker_and_adds_up(to_four):
    table = to_four.shifts
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 3 * len(MARKERS)
    assert table["n"].tolist() == [24] * 12
    np.testing.assert_allclose(table["shift"], table["counterfactual"] - table["baseline"])
    assert (table["ci_low"] <= table["ci_high"]).all()
    # Niche 1 lies in two blocks only, so its evenness is not estimable.
    assert table.loc[table["niche"] == 1, ["tissue_low", "tissue_high"]].isna().all().all()
    rest = table[table["niche"] != 1]
    assert (rest["tissue_low"] <= rest["shift"] + 1e-9).all()
    assert (rest["tissue_high"] >= rest["shift"] - 1e-9).all()


def test_niche_figures_are_the_means_of_the_patches(to_four, bands):
    for place, niche in enumerate((1, 2, 3)):
        mean = to_four.shift[bands.labels == niche].astype(float).mean(axis=0)
        part = to_four.shifts["shift"].to_numpy()[4 * place : 4 * place + 4]
        np.testing.assert_allclose(part, mean, atol=1e-6)


def test_patches_are_read_off_the_neighbours_they_name(to_four, atlas):
    expression = np.asarray(atlas.expression, float)
    sd = expression.std(axis=0, ddof=1)
    change = mean_of_neighbours(expression, to_four.neighbours_after) - mean_of_neighbours(
        expression, to_four.neighbours_before
    )
    np.testing.assert_allclose(to_four.shift, change / sd, atol=1e-4)


def test_edit_and_its_reverse_are_opposite(query, atlas, bands, to_four):
    back = ask(query, atlas, {"stage": "II"}, bands, record={**query.record, "stage": "IV"})
    np.testing.assert_array_equal(back.shift, -to_four.shift)
    for column in ("shift", "contrast"):
        np.testing.assert_allclose(
            back.shifts[column], -to_four.shifts[column], rtol=1e-6, atol=1e-12
        )
    np.testing.assert_allclose(back.shifts["ci_low"], -to_four.shifts["ci_high"], atol=1e-9)
    np.testing.assert_array_equal(back.neighbours_before, to_four.neighbours_after)


def test_no_weight_on_the_text_gives_exactly_zero(query, atlas, bands):
    result = ask(query, atlas, {"stage": "IV"}, bands, weights={"he": 1.0})
    np.testing.assert_array_equal(result.shift, 0)
    np.testing.assert_array_equal(result.shifts["shift"], 0)
    np.testing.assert_array_equal(result.shifts[["ci_low", "ci_high"]], 0)
    assert result.support.overlap == 1
    assert result.shifts["p"].isna().all()
    assert not result.shifts["supported"].any()


def test_own_patient_is_out(encodings, atlas):
    encoding = encodings[0]
    result = ask(encoding, atlas, {"stage": "IV"})
    own = atlas.patches["patient_id"].to_numpy() == encoding.patient_id
    assert own.any()
    assert not own[result.neighbours_before].any()
    assert not own[result.neighbours_after].any()
    assert result.support.of_patients == 17
    assert result.provenance["own_patient_in_atlas"]
    assert result.label == ""


def test_same_patient_is_allowed_when_asked_for_by_name(encodings, atlas):
    result = ask(encodings[0], atlas, {"stage": "IV"}, within_patient_um=300.0)
    assert result.label == SAME_PATIENT
    assert result.support.of_patients == 18


def test_support_says_who_carries_the_value(to_four, atlas):
    stage = atlas.patches["stage"].to_numpy()
    assert to_four.support.patients == 6
    assert to_four.support.of_patients == 18
    assert to_four.support.agree == pytest.approx(np.mean(stage[to_four.neighbours_after] == "IV"))
    assert to_four.support.agree > to_four.support.agreed_before


def test_placebo_edits_come_from_the_card(to_four):
    assert "placebo edits" in to_four.inference
    assert "11 independent directions" in to_four.inference
    table = to_four.shifts
    assert table["p"].between(0, 1).all()
    assert table["q"].between(0, 1).all()
    assert (table["q"] >= table["p"] - 1e-12).all()
    assert table["placebo_p"].between(0, 1).all()
    assert row(to_four, 2, "CD8")["p"] < 0.05
    assert 0 < to_four.whole_edit_p <= 1


def test_a_placebo_edit_is_seldom_called_significant(query, atlas, bands):
    """Fields without meaning asked as if they were real, with a model of many of them."""
    quiet = 0
    edits = [("weekday", "Monday", "Friday"), ("ward", "north", "annex")]
    edits += [("box colour", low, "white") for low in ("red", "blue", "green")]
    model = ToyModel()
    model.card = {"placebo_fields": PLACEBO_FIELDS | {f"note {i}": ["yes", "no"] for i in range(8)}}
    for field, low, high in edits:
        record = {**query.record, field: low}
        result = ask(query, atlas, {field: high}, bands, model=model, record=record, resamples=0)
        quiet += not (result.shifts["q"] < 0.05).any()
        assert not result.shifts["supported"].any()
    assert quiet >= 4


def test_without_placebo_fields_p_is_not_made_up(query, atlas, bands):
    result = ask(query, atlas, {"stage": "IV"}, bands, model=ToyModel(placebo=False))
    for column in ("p", "q", "placebo_p"):
        assert result.shifts[column].isna().all()
    assert not result.shifts["supported"].any()
    assert np.isnan(result.whole_edit_p)
    assert not result.no_more_than_placebo
    assert "not estimable" in result.inference


def test_too_few_placebo_directions_are_not_enough(query, atlas, bands):
    model = ToyModel()
    model.card = {"placebo_fields": {"weekday": PLACEBO_FIELDS["weekday"]}}
    result = ask(query, atlas, {"stage": "IV"}, bands, model=model)
    assert result.shifts["p"].isna().all()
    assert "only 2 independent directions" in result.inference


def test_the_quick_view_leaves_the_statistics_out(query, atlas, bands, to_four):
    quick = ask(query, atlas, {"stage": "IV"}, bands, resamples=0, placebo=False)
    np.testing.assert_array_equal(quick.shift, to_four.shift)
    for column in ("ci_low", "ci_high", "tissue_low", "tissue_high", "p", "q", "placebo_p"):
        assert quick.shifts[column].isna().all()


def test_large_niches_are_sampled_for_intervals_only(query, atlas, bands, to_four, monkeypatch):
    from napari_haiku.analysis.counterfactual import shift_inputs

    monkeypatch.setattr(shift_inputs, "PATCHES_A_NICHE", 12)
    part = ask(query, atlas, {"stage": "IV"}, bands)
    np.testing.assert_array_equal(part.shifts["shift"], to_four.shifts["shift"])
    np.testing.assert_allclose(part.shifts["ci_low"], to_four.shifts["ci_low"], atol=0.15)
    np.testing.assert_allclose(part.shifts["ci_high"], to_four.shifts["ci_high"], atol=0.15)


def test_few_patients_have_no_interval(tmp_path, query, bands, encodings):
    atlas = toy_atlas(tmp_path, encodings[:4])
    result = ask(query, atlas, {"stage": "IV"}, bands)
    assert np.isfinite(result.shifts["shift"]).all()
    assert result.shifts[["ci_low", "ci_high", "contrast", "contrast_p"]].isna().all().all()
    assert any("at least 5 atlas patients" in note for note in result.notes)
    assert any("contrast is not estimable" in note for note in result.notes)
    assert result.support.word == "thin"


def test_a_niche_of_three_patches_is_not_estimable(query, atlas, bands):
    labels = bands.labels.copy()
    labels[np.flatnonzero(labels == 3)[3:]] = 1
    result = ask(query, atlas, {"stage": "IV"}, replace(bands, labels=labels))
    small = result.shifts[result.shifts["niche"] == 3]
    assert small["n"].tolist() == [3] * 4
    figures = small.drop(columns=["niche", "niche_name", "marker", "n", "supported"])
    assert figures.drop(columns=[c for c in figures if c.startswith("contrast")]).isna().all().all()
    assert not small["supported"].any()
    assert any("Too few patches" in note and "Stroma" in note for note in result.notes)
    assert np.isfinite(result.shifts.loc[result.shifts["niche"] == 2, "shift"]).all()


def odd_atlas(tmp_path, encodings, change):
    folder = tmp_path / "odd"
    folder.mkdir()
    made = []
    for place in range(12):
        slide = toy_slide(np.random.default_rng([3, place]), (place % 3) - 1.0, (6, 9))
        change(slide.expression)
        made.append(
            write_slide(folder / f"s{place}", slide, encodings[place].record, patient=f"o{place}")
        )
    return toy_atlas(tmp_path, made)


def test_a_constant_marker_is_not_estimable(tmp_path, query, bands, encodings):
    def flat(expression):
        expression[:, 3] = 7.0

    result = ask(query, odd_atlas(tmp_path, encodings, flat), {"stage": "IV"}, bands)
    ki67 = result.shifts[result.shifts["marker"] == "Ki67"]
    assert ki67[["shift", "ci_low", "p", "q", "contrast", "tissue_low"]].isna().all().all()
    assert any("Ki67 does not vary" in note for note in result.notes)
    assert np.isfinite(result.shifts.loc[result.shifts["marker"] == "CD8", "shift"]).all()


def test_a_marker_measured_nowhere_is_not_estimable(tmp_path, query, bands, encodings):
    def gap(expression):
        expression[:, 3] = np.nan

    result = ask(query, odd_atlas(tmp_path, encodings, gap), {"stage": "IV"}, bands)
    ki67 = result.shifts[result.shifts["marker"] == "Ki67"]
    assert ki67["n"].tolist() == [0, 0, 0]
    assert ki67[["shift", "ci_low", "p", "q", "contrast"]].isna().all().all()
    assert np.isfinite(result.shifts.loc[result.shifts["marker"] == "CD8", "ci_low"]).all()


def test_niches_are_found_when_none_are_given(query, atlas):
    result = ask(query, atlas, {"stage": "IV"}, resamples=0, placebo=False)
    expected = run_job(find_niches([query], clusters=4, modality="he", smooth=False))
    np.testing.assert_array_equal(result.niches.labels, expected.labels[0])
    assert set(result.shifts["niche_name"]) == set(expected.names.values())
    given = ask(query, atlas, {"stage": "IV"}, expected, resamples=0, placebo=False)
    pd.testing.assert_frame_equal(given.shifts, result.shifts)


def test_a_small_slide_is_one_niche(tmp_path, query, atlas):
    slide = toy_slide(np.random.default_rng(0), 0.0, (3, 6))
    tiny = write_slide(tmp_path / "tiny", slide, query.record, patient="t")
    result = ask(tiny, atlas, {"stage": "IV"}, resamples=0, placebo=False)
    assert result.niches.names == {1: "All tissue"}


def test_niches_of_another_slide_are_refused(query, atlas):
    with pytest.raises(HaikuError, match="find niches for this slide"):
        ask(query, atlas, {"stage": "IV"}, NicheLabels(np.ones(3, np.int64), {1: "x"}))


def test_only_some_rows(query, atlas, bands, to_four):
    rows = np.flatnonzero(bands.labels == 2)
    part = ask(query, atlas, {"stage": "IV"}, bands, rows=rows)
    np.testing.assert_array_equal(part.shift, to_four.shift[rows])
    assert part.shifts["niche"].unique().tolist() == [2]


def test_contrast_adjusts_for_recorded_fields_but_not_for_placebo(to_four):
    assert "sex" in to_four.adjusted_for
    assert not set(to_four.adjusted_for) & set(PLACEBO_FIELDS)


def test_gained_patches_are_new_neighbours(to_four):
    gained = to_four.gained(5, niche=2)
    assert len(gained) == 5
    assert [count for _, count in gained] == sorted([c for _, c in gained], reverse=True)
    own = to_four.niches.labels == 2
    for atlas_row, count in gained:
        new = (to_four.neighbours_after[own] == atlas_row).any(axis=1) & ~(
            to_four.neighbours_before[own] == atlas_row
        ).any(axis=1)
        assert new.sum() == count


def test_saved_tables(tmp_path, to_four, query):
    to_four.save(tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "shifts.csv")
    assert tuple(table.columns) == COLUMNS
    np.testing.assert_allclose(table["shift"], to_four.shifts["shift"])
    patches = pd.read_parquet(tmp_path / "out" / "shift_per_patch.parquet")
    np.testing.assert_array_equal(patches[list(MARKERS)], to_four.shift)
    notes = read_notes(tmp_path / "out" / "shift_per_patch.parquet")
    assert notes["caution"] == to_four.notice == ASSOCIATION
    assert notes["edit"] == {"stage": ["II", "IV"]}
    assert "patient-" not in json.dumps(notes)


def test_same_seed_same_files(tmp_path, query, atlas, bands):
    for name in ("a", "b"):
        ask(query, atlas, {"stage": "IV"}, bands, seed=7).save(tmp_path / name)
    for file in ("shifts.csv", "shift_per_patch.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_progress_says_what_is_being_done(query, atlas, bands):
    reports = []
    run_job(
        run_counterfactual(
            query,
            atlas,
            ToyModel(),
            CounterfactualRequest(edits={"stage": "IV"}, k=10, resamples=20),
            bands,
        ),
        reports.append,
    )
    doing = list(dict.fromkeys(report.doing for report in reports))
    assert doing == [
        "Learning what the atlas knows",
        "Comparing",
        "Resampling the atlas's patients",
        "Placebo edits and other wordings",
        "Comparing atlas patients",
    ]
    assert all(0 <= report.done <= report.total for report in reports)
