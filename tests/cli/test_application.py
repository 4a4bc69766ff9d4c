"""The program as a whole: its commands, its help, and how it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from napari_haiku import __version__

COMMANDS = [
    ["demo"], ["doctor"], ["info"], ["models"], ["convert"], ["encode"], ["atlas", "build"],
    ["atlas", "info"], ["search"], ["biomarkers"], ["niches"], ["counterfactual"], ["simulate"],
    ["train"],
]  # fmt: skip


def _program(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", "from napari_haiku.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_json_and_debug(run, command):
    done = run(*command, "--help")
    assert done.exit_code == 0
    assert "--json" in done.stdout
    assert "--debug" in done.stdout


def test_help_names_every_command(run):
    out = run("--help").stdout
    for command, *_ in COMMANDS:
        assert f"\n  {command} " in out
    summaries = out.partition("Commands:")[2]
    assert "..." not in summaries


def test_version(run):
    assert run("--version").stdout.strip() == f"napari-haiku {__version__}"


@pytest.mark.parametrize("arguments", [["nonsense"], ["info"], ["info", "a.tif", "--colour"]])
def test_wrong_usage_is_2_and_leaves_stdout_alone(run, arguments):
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr


def test_the_program_speaks_utf_8_whatever_the_locale(make_mif, tmp_path):
    path = make_mif(tmp_path / "größe_µm.ome.tif", ("DAPI", "γδ TCR", "CD8"))
    done = _program("info", path, "--json", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout.decode("utf-8"))
    assert content["name"] == "größe_µm.ome.tif"
    assert "γδ TCR" in content["channels"]


def test_a_failure_of_the_installed_program():
    done = _program("info", "absent.tif", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"error": "absent.tif does not exist: check the path."}
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Pipes break otherwise on Windows.")
def test_a_reader_that_stops_reading_is_no_traceback():
    command = [sys.executable, "-c", "from napari_haiku.cli import main; main()", "models"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        program.stdout.close()
        told = program.stderr.read()
    assert b"Traceback" not in told


def test_the_entry_point_is_installed():
    from importlib.metadata import entry_points

    (entry,) = entry_points(group="console_scripts", name="napari-haiku")
    assert entry.load().__module__.startswith("napari_haiku.cli")


def test_models_lists_the_shipped_one_and_where_others_come_from(run):
    rows = {row["name"]: row for row in run("models", "--json").content["models"]}
    assert rows["default"]["weights"] == "ships with the package"
    assert all("licence" in row for row in rows.values())
    assert "default" in run("models").stdout


def test_simulate_makes_a_cohort_and_resumes(run, tmp_path):
    arguments = (tmp_path / "c", "--patients", "2", "--seed", "4", "--field-um", "120,100")
    first = run("simulate", *arguments, "--json")
    assert first.exit_code == 0, first.stderr
    assert first.content["patients"] == 2
    assert first.content["resumed_from"] == 0
    manifest = Path(first.content["manifest"]).read_text(encoding="utf-8")
    assert manifest.startswith("slide_id,patient_id,he,mif,markers,")
    assert run("simulate", *arguments, "--json").content["resumed_from"] == 2


@pytest.mark.parametrize("field", ["120", "a,b"])
def test_simulate_with_an_unreadable_field(run, tmp_path, field):
    done = run("simulate", tmp_path / "c", "--patients", "1", "--field-um", field)
    assert done.exit_code == 2


def test_simulate_with_an_impossible_field(run, tmp_path):
    done = run("simulate", tmp_path / "c", "--patients", "1", "--field-um", "1,1", "--json")
    assert done.exit_code == 1
    assert "1 x 1 um" in done.content["error"]


def test_convert_refuses_what_is_no_bundle(run, tmp_path):
    (tmp_path / "bundle").mkdir()
    done = run("convert", tmp_path / "bundle", tmp_path / "model", "--json")
    assert done.exit_code == 1
    assert done.content["error"].endswith(".")


def test_train_writes_a_model_and_resumes(run, cohort, tmp_path):
    recipe = tmp_path / "recipe.json"
    sizes = {"he_width": 8, "dim": 16, "batch_size": 4, "validation_share": 0, "threads": 1}
    sizes.update(text_steps=4, text_heads=2)
    recipe.write_text(json.dumps({"name": "two steps", "steps": 2, **sizes}), encoding="utf-8")
    arguments = ("train", cohort, tmp_path / "model", "--config", recipe, "--json")
    done = run(*arguments)
    assert done.exit_code == 0, done.stderr
    assert done.content["steps"] == 2
    assert (tmp_path / "model" / "model.safetensors").is_file()
    again = run(*arguments)
    assert again.exit_code == 1
    assert "already holds a model" in again.content["error"]


def test_train_without_a_cohort(run, tmp_path):
    done = run("train", tmp_path / "absent.csv", tmp_path / "model", "--json")
    assert done.exit_code == 1
    assert "absent.csv" in done.content["error"]
