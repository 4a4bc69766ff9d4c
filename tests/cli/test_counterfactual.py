"""``counterfactual``: shifts, maps, report, and what an atlas refuses."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import zarr

COLUMNS = [
    "niche",
    "marker",
    "n",
    "baseline",
    "counterfactual",
    "shift",
    "ci_low",
    "ci_high",
    "p",
    "q",
    "placebo_p",
    "tissue_low",
    "tissue_high",
    "contrast",
    "contrast_p",
    "supported",
]


@pytest.fixture(scope="module")
def ask(run, encoding, atlas, model_folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("counterfactual")

    def call(name, *arguments, slide=encoding, model=model_folder):
        done = run(
            "counterfactual", slide, atlas, *arguments, "--output", output / name, "--model",
            model, "--resamples", "20", "--json",
        )  # fmt: skip
        return done, output / name

    return call


@pytest.fixture(scope="module")
def answered(ask):
    done, output = ask("stage_iv", "--set", "stage=IV")
    assert done.exit_code == 0, done.stderr
    return done, output


def test_shifts_have_the_columns_of_the_contract(answered):
    done, output = answered
    shifts = pd.read_csv(output / "shifts.csv")
    assert set(COLUMNS) <= set(shifts.columns)
    assert len(shifts) == done.content["rows"]
    assert set(shifts["marker"]) == {"DAPI", "PanCK", "CD8"}


def test_edit_support_and_caution_are_told(answered):
    content = answered[0].content
    assert content["edit"] == {"stage": ["II", "IV"]}
    assert content["support"]["patients"] == 1
    assert content["support"]["word"] == "thin"
    assert "not a cause" in content["notice"]


def test_the_last_line_names_the_report_to_open(run, encoding, atlas, model_folder, tmp_path):
    done = run(
        "counterfactual", encoding, atlas, "--set", "stage=IV", "--output", tmp_path / "c",
        "--model", model_folder, "--resamples", "0",
    )  # fmt: skip
    page = tmp_path / "c" / "report.html"
    assert "".join(done.stdout.split()).endswith("".join(f"Report to open: {page}".split()))
    assert page.is_file()


def test_maps_and_report_are_there(answered):
    _, output = answered
    group = zarr.open_group(str(output / "shift_maps" / "shift.ome.zarr"), mode="r")
    assert group["0"].shape == (4, 4, 6)
    report = Path(answered[0].content["report"]).read_text(encoding="utf-8")
    assert "Research use only" in report
    assert "not a cause" in report
    assert "Q7731" not in report


def test_niches_found_before_are_used(ask, run, encoding, tmp_path):
    run("niches", encoding, "--clusters", "2", "--output", tmp_path / "n")
    done, output = ask("by_niche", "--set", "stage=IV", "--niches", tmp_path / "n")
    assert done.exit_code == 0, done.stderr
    assert len(pd.read_csv(output / "shifts.csv")["niche"].unique()) == 2


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ("stage=V", "no patient with stage V"),
        ("stage=II", "changes nothing"),
        ("mood=good", "mood"),
        ("patient_id=X", "no field"),
    ],
)
def test_what_the_atlas_cannot_speak_to_is_refused(ask, edit, told):
    done, output = ask("refused", "--set", edit)
    assert done.exit_code == 1
    assert told in done.content["error"]
    assert not (output / "shifts.csv").exists()


def test_a_slide_without_a_record(ask, run, slide, model_folder, tmp_path):
    path = tmp_path / "bare.zarr"
    run("encode", slide[0], "--output", path, "--model", model_folder)
    done, _ = ask("bare", "--set", "stage=IV", slide=path)
    assert done.exit_code == 1
    assert "no clinical record" in done.content["error"]


def test_another_model(ask, other_model_folder):
    done, _ = ask("other", "--set", "stage=IV", model=other_model_folder)
    assert done.exit_code == 1
    assert "model" in done.content["error"]


def test_an_edit_is_required_and_must_be_one(run, encoding, atlas, tmp_path):
    assert run("counterfactual", encoding, atlas, "--output", tmp_path).exit_code == 2
    wrong = run("counterfactual", encoding, atlas, "--set", "stage", "--output", tmp_path)
    assert wrong.exit_code == 2


def test_a_cohort_is_edited_alike(run, atlas, model_folder, tmp_path):
    done = run(
        "counterfactual", "--cohort", "disease = 'Colon Cancer'", atlas, "--set", "stage=II",
        "--output", tmp_path / "out", "--model", model_folder, "--resamples", "10", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert done.content["patients"] == 3
    shifts = pd.read_csv(tmp_path / "out" / "shifts.csv")
    assert set(COLUMNS) <= set(shifts.columns)
    assert "Left out: 1 slides whose record already reads so." in done.content["notes"]
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Research use only" in report
    assert (tmp_path / "out" / "patients.parquet").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--cohort", "stage = 'I'", "one", "two", "--set", "stage=IV"),
        ("only", "--set", "stage=IV"),
        ("one", "two", "--set", "stage=IV", "--label", "grade=G3:G2"),
        ("--cohort", "stage = 'I'", "one", "--set", "stage=IV", "--label", "grade"),
    ],
)
def test_what_does_not_fit_a_cohort_is_wrong_usage(run, tmp_path, arguments):
    assert run("counterfactual", *arguments, "--output", tmp_path).exit_code == 2
