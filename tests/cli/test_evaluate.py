"""The command evaluate: report.json on stdout, a page beside it, exit codes."""

import json

import pytest


@pytest.fixture(scope="module")
def done(run, cohort, model_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    outcome = run(
        *("evaluate", cohort, "--model", model_folder, "--output", folder, "--resamples", "20"),
        *("--tasks", "retrieval,biomarkers", "--tasks", "geometry", "--json"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    return folder, outcome


def test_json_is_the_reports_content(done):
    folder, outcome = done
    assert outcome.content == json.loads((folder / "report.json").read_text())
    assert outcome.content["retrieval"]["he->mif"]["R@1"]["n"] == 96
    assert outcome.content["biomarkers"]["per_marker"]["CD8"]["chance"] == 0
    # The images are read for the baseline of plain looks.
    assert outcome.content["biomarkers"]["baselines"]["hand_made_ridge"]["mean_r"]["n"] == 96
    assert "Reading markers" in outcome.stderr


def test_the_page_stands_alone_and_names_nobody(done):
    folder, _ = done
    page = (folder / "report.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "Research use only" in page
    assert "<svg" in page
    assert "H&amp;E to mIF" in page
    for outside in ("http://www.w3.org/2000/svg",):
        page = page.replace(outside, "")
    assert "http" not in page
    for number in range(4):
        assert f"p{number}<" not in page


def test_the_same_command_resumes_and_says_the_same(done, run, cohort, model_folder):
    folder, outcome = done
    again = run(
        *("evaluate", cohort, "--model", model_folder, "--output", folder, "--resamples", "20"),
        *("--tasks", "retrieval,biomarkers,geometry", "--json"),
    )
    assert again.content == outcome.content


def test_an_atlas_without_its_images_uses_its_pictures(run, atlas, model_folder, tmp_path):
    outcome = run(
        *("evaluate", atlas, "--model", model_folder, "--output", tmp_path, "--resamples", "20"),
        *("--tasks", "biomarkers", "--json"),
    )
    note = outcome.content["biomarkers"]["baselines"]["hand_made"]["mean_r"]["note"]
    assert "pictures of 64 pixels" in note


def test_unknown_task(run, atlas, tmp_path):
    outcome = run("evaluate", atlas, "--output", tmp_path, "--tasks", "alchemy")
    assert outcome.exit_code == 1
    assert "choose among retrieval" in outcome.stderr


def test_a_task_asked_for_that_cannot_be_done(run, atlas, model_folder, tmp_path):
    outcome = run(
        *("evaluate", atlas, "--model", model_folder, "--output", tmp_path),
        *("--tasks", "linear_probe", "--json"),
    )
    assert outcome.exit_code == 1
    assert "two classes" in outcome.content["error"]


def test_a_larger_gallery_than_there_is(run, atlas, model_folder, tmp_path):
    outcome = run(
        *("evaluate", atlas, "--model", model_folder, "--output", tmp_path, "--gallery", "5000"),
        *("--tasks", "retrieval"),
    )
    assert outcome.exit_code == 1
    assert "5,000 patches" in outcome.stderr
    assert "has 96" in outcome.stderr
