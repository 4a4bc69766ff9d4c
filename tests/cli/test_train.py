"""The command ``train``."""

from __future__ import annotations

import json

import pytest

SIZES = {
    "steps": 2,
    "he_width": 8,
    "dim": 16,
    "batch_size": 4,
    "validation_share": 0,
    "threads": 1,
    "text_heads": 0,
    "text_steps": 5,
}


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps({"name": "small", **SIZES}), encoding="utf-8")
    return path


def test_objectives_and_presets_reach_the_card(run, cohort, recipe, tmp_path):
    arguments = ("train", cohort, tmp_path / "m", "--config", recipe, "--device", "cpu")
    chosen = ("--objective", "pairwise_clip", "--objective", "expression=0.5", "--seed", "3")
    done = run(*arguments, *chosen, "--json")
    assert done.exit_code == 0, done.stderr
    assert done.content["seed"] == 3
    card = json.loads((tmp_path / "m" / "card.json").read_text(encoding="utf-8"))
    assert card["training"]["recipe"]["objectives"] == {"pairwise_clip": 1.0, "expression": 0.5}
    assert card["training"]["seed"] == 3
    again = ("--start-from", tmp_path / "m", "--preset", "small-cohort", "--json")
    done = run("train", cohort, tmp_path / "n", "--config", recipe, "--device", "cpu", *again)
    assert done.exit_code == 0, done.stderr
    card = json.loads((tmp_path / "n" / "card.json").read_text(encoding="utf-8"))
    assert "mmrlpp" in card["training"]["objectives"]
    assert card["training"]["started_from"]["name"] == "small"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--objective", "pairwise_clap"), "no objective 'pairwise_clap'"),
        (("--objective", "siglip=much"), "weight 'much'"),
        (("--preset", "best"), "no preset 'best': choose standard"),
        (("--objective", "multi_positive"), "needs several captions"),
        (("--device", "abacus"), "Device 'abacus' is unknown"),
    ],
)
def test_what_cannot_be_chosen_is_told(run, cohort, recipe, tmp_path, arguments, sentence):
    done = run("train", cohort, tmp_path / "m", "--config", recipe, *arguments, "--json")
    assert done.exit_code == 1
    assert sentence in done.content["error"]
    assert not (tmp_path / "m" / "checkpoint.pt").exists()


def test_a_setting_that_does_not_exist_is_told(run, cohort, tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps({"chunk": 2}), encoding="utf-8")
    done = run("train", cohort, tmp_path / "m", "--config", path, "--json")
    assert done.exit_code == 1
    assert "'chunk' cannot be 2" in done.content["error"]
