"""What needs no model is refused before one is loaded; the demo atlas has a name."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_model(monkeypatch):
    """Loading a model fails the test."""

    def load(*_arguments, **_settings):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("napari_haiku.model.loading.load_model", load)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "stage=IX"), "no patient with stage IX"),
        (("--set", "smoking=never"), "smoking"),
        (("--set", "stage=II"), "already reads"),
        (("--set", "stage=IV", "--where", "organ = 'Lung'"), "organ"),
        (("--set", "stage=IV", "--where", "stage ="), "ends too early"),
        (("--set", "stage=IV", "--niches", "nowhere/niches"), "niches"),
    ],
)
def test_a_counterfactual_that_cannot_be_asked_loads_no_model(
    run, encoding, atlas, tmp_path, no_model, arguments, said
):
    done = run("counterfactual", encoding, atlas, *arguments, "--output", tmp_path / "out")
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Loading the model" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "organ=Lung"), 'no field "organ"'),
        (("--set", "stage=IV", "--where", "organ = 'Lung'"), "organ"),
    ],
)
def test_nor_does_one_of_a_cohort(run, atlas, tmp_path, no_model, arguments, said):
    done = run(
        "counterfactual", "--cohort", "stage = 'II'", atlas, *arguments, "--output", tmp_path / "o"
    )
    assert done.exit_code == 1
    assert said in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--where", "organ = 'Lung'"),
        ("--where", "stage = 'IX'"),
    ],
)
def test_nor_does_a_search_by_words(run, atlas, no_model, arguments):
    done = run("search", atlas, "--text", "stage IV", *arguments)
    assert done.exit_code == 1
    assert "organ" in done.stderr or "fits the filter" in done.stderr


def test_nor_does_a_question_of_markers_that_nobody_measured(
    run, encoding, atlas, tmp_path, no_model
):
    done = run(
        "biomarkers", encoding, atlas, "--query", "CD163 high, tumour", "--output", tmp_path / "o"
    )
    assert done.exit_code == 1
    assert "CD163" in done.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("search", "{}", "--text", "x"),
        ("atlas", "info", "{}"),
        ("biomarkers", "ENC", "{}", "--output", "OUT"),
        ("counterfactual", "ENC", "{}", "--set", "stage=IV", "--output", "OUT"),
    ],
)
def test_a_mistyped_folder_is_said_as_it_was_typed(run, encoding, tmp_path, no_model, command):
    wrong = tmp_path / "mistyped" / "virtual.atlas"
    known = {"{}": wrong, "ENC": encoding, "OUT": tmp_path / "out"}
    done = run(*(known.get(word, word) for word in command))
    assert done.exit_code == 1
    assert str(wrong) in done.stderr


def test_nor_does_an_atlas_of_a_manifest_that_is_not_there(run, tmp_path, no_model):
    wrong = tmp_path / "mistyped" / "cohort.csv"
    done = run("atlas", "build", wrong, tmp_path / "a.atlas")
    assert done.exit_code == 1
    assert str(wrong) in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("niches", "ENC"),
        ("project", "ENC"),
        ("biomarkers", "ENC", "ATLAS"),
        ("counterfactual", "ENC", "ATLAS", "--set", "stage=IV"),
    ],
)
def test_a_file_where_a_folder_is_to_be_written_is_refused_at_once(
    run, encoding, atlas, tmp_path, no_model, command
):
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    known = {"ENC": encoding, "ATLAS": atlas}
    done = run(*(known.get(word, word) for word in command), "--output", file)
    assert done.exit_code == 1
    assert done.stderr == f"Error: {file} is a file: choose a folder to write into.\n"
    assert file.read_text() == "mine"


def test_a_mistyped_encoding_is_said_as_it_was_typed(run, atlas, tmp_path):
    wrong = tmp_path / "mistyped" / "slide.zarr"
    for command in (("biomarkers", wrong, atlas), ("niches", wrong), ("project", wrong)):
        done = run(*command, "--output", tmp_path / "out")
        assert done.exit_code == 1
        assert str(wrong) in done.stderr


def test_the_demo_atlas_has_a_name(run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    # What the demo left is no atlas.
    (tmp_path / "demo").mkdir()
    done = run("atlas", "info", "demo", "--json")
    assert done.exit_code == 0, done.stderr
    assert done.content["patients"] > 1
    refused = run("search", "demo", "--text", "x", "--where", "organ = 'Lung'")
    assert "stage" in refused.stderr
    # Fields that mean nothing help nobody who mistyped one.
    assert "cassette_colour" not in refused.stderr
    assert "lining" not in refused.stderr
    # Changed it never is.
    for command in (("compact",), ("verify", "--repair")):
        done = run("atlas", *command[:1], "demo", *command[1:])
        assert done.exit_code == 1
        assert "never changed" in done.stderr


def test_an_atlas_of_that_name_goes_first(run, atlas, monkeypatch):
    monkeypatch.chdir(atlas.parent)
    (atlas.parent / "demo").symlink_to(atlas)
    done = run("atlas", "info", "demo", "--json")
    assert done.content["patients"] == 4


def test_loading_the_model_is_said_first(run, encoding, atlas, model_folder, tmp_path):
    done = run(
        "counterfactual", encoding, atlas, "--set", "stage=IV", "--output", tmp_path / "out",
        "--model", model_folder, "--resamples", "10",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert done.stderr.startswith("Loading the model ...\n")
