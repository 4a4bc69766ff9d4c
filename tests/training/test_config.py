"""Training recipes read from JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.training.config import TrainConfig, read_config


def _file(folder: Path, content: object) -> Path:
    path = folder / "recipe.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_without_a_file_the_defaults_hold() -> None:
    assert read_config(None) == TrainConfig()


def test_a_recipe_survives_its_own_json(tmp_path: Path) -> None:
    recipe = TrainConfig(
        steps=7, also=("b.csv",), regions_um={"s": (0.0, 1.0, 2.0, 3.0)}, shares={"": 2.0}
    )
    assert read_config(_file(tmp_path, recipe.to_json())) == recipe


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "no valid JSON"),
        ([1], "no settings"),
        ({"stepz": 3}, "unknown setting 'stepz'"),
        ({"steps": "many"}, "'steps'"),
        ({"steps": -1}, "'steps'"),
        ({"also": "x.csv"}, "'also'"),
        ({"learning_rate": True}, "'learning_rate'"),
    ],
)
def test_a_bad_recipe_is_named(tmp_path: Path, content: object, says: str) -> None:
    with pytest.raises(HaikuError, match=says):
        read_config(_file(tmp_path, content))
