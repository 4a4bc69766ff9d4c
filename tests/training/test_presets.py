"""Presets of objectives and what can be written after --objective."""

from __future__ import annotations

import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.training.objectives import build_objective
from napari_haiku.training.presets import PRESETS, parse_objectives


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("starting_model", [False, True])
def test_every_preset_can_be_built(name: str, starting_model: bool) -> None:
    built = build_objective(PRESETS[name].recipe(starting_model=starting_model), dim=8, markers=3)
    needs_start = "teacher" in built.everything_needed
    assert needs_start == (starting_model and name == "small-cohort")
    assert PRESETS[name].description.count(".") == 1


def test_names_and_weights() -> None:
    assert parse_objectives(["pairwise_clip", " expression = 0.3 "]) == {
        "pairwise_clip": 1.0,
        "expression": 0.3,
    }
    assert parse_objectives(["whole-tuple"]) == PRESETS["whole-tuple"].recipe()
    assert parse_objectives([]) == PRESETS["standard"].recipe()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["clip"], "choose pairwise_clip, .*small-cohort"),
        ([""], "no objective ''"),
        (["siglip=much"], "'much'"),
        (["siglip="], "siglip=0.1"),
        (["siglip=0"], "above 0"),
        (["siglip=-1"], "above 0"),
        (["siglip=inf"], "above 0"),
        (["siglip=nan"], "above 0"),
        (["siglip", "siglip=2"], "twice"),
        (["standard=0.5"], "no weight"),
        (["standard", "barlow"], "stands alone"),
    ],
)
def test_refusals_name_the_choices(words: list[str], says: str) -> None:
    with pytest.raises(HaikuError, match=says):
        parse_objectives(words)
