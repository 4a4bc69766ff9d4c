"""``atlas build`` and ``atlas info``."""

from __future__ import annotations

import shutil


def test_build_reports_the_contract(run, atlas, cohort, model_folder):
    done = run("atlas", "build", cohort, atlas, "--model", model_folder, "--json")
    assert done.exit_code == 0, done.stderr
    content = done.content
    assert content["slides"] == content["patients"] == 4
    assert content["patches"] == 4 * 24
    assert content["markers"] == ["DAPI", "PanCK", "CD8"]
    assert content["model"] == "tiny"
    assert content["index"] == {"kind": "exact", "recall_at_50": 1.0}
    assert content["failed"] == []


def test_info(run, atlas):
    content = run("atlas", "info", atlas, "--json").content
    assert content["patients"] == 4
    assert content["fields"]["stage"] == {"I": 1, "II": 1, "III": 1, "IV": 1}


def test_info_in_words(run, atlas):
    assert "4 patients, 4 slides, 96 patches" in run("atlas", "info", atlas).stdout


def test_a_slide_that_fails_is_told_by_its_line_and_the_rest_is_built(
    run, cohort, model_folder, tmp_path
):
    folder = tmp_path / "cohort"
    shutil.copytree(cohort.parent, folder)
    (folder / "he2.ome.tif").unlink()
    done = run(
        "atlas", "build", folder / "cohort.csv", tmp_path / "a", "--model", model_folder, "--json"
    )
    assert done.exit_code == 1
    assert done.content["slides"] == 3
    assert [slide["row"] for slide in done.content["failed"]] == [4]
    assert "Line 4" in done.stderr
    assert "p2" not in done.stderr


def test_a_folder_that_is_no_atlas(run, tmp_path):
    done = run("atlas", "info", tmp_path, "--json")
    assert done.exit_code == 1
    assert tmp_path.name in done.content["error"]


def test_a_manifest_that_is_not_there(run, tmp_path, model_folder):
    manifest = tmp_path / "absent.csv"
    done = run("atlas", "build", manifest, tmp_path / "a", "--model", model_folder, "--json")
    assert done.exit_code == 1
    assert "absent.csv" in done.content["error"]
