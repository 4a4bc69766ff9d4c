"""The frozen effect table."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest

from napari_haiku.simulation.effects import EFFECTS, EVERYWHERE, log_folds
from napari_haiku.simulation.neutral import PLACEBO, TWINS
from napari_haiku.simulation.record import GRADES, SMOKING, STAGES, TREATMENTS
from napari_haiku.simulation.vocabulary import CELL_TYPES, MARKERS, NICHES, STATES

TARGETS = {"cells": CELL_TYPES, "state": STATES, "marker": MARKERS, "area": NICHES}
LEVELS = {
    "tone": ("per unit",),
    "age": ("per decade over 60",),
    "stage": STAGES,
    "grade": GRADES,
    "treatment": TREATMENTS,
    "smoking": SMOKING,
}


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda e: f"{e.field}-{e.niche}-{e.target}")
def test_every_effect_names_things_that_exist(effect) -> None:
    assert effect.level in LEVELS[effect.field]
    assert effect.niche in (*NICHES, EVERYWHERE)
    assert effect.target in TARGETS[effect.kind]
    assert 0 < abs(effect.log_fold) <= 1.0


def test_effects_are_frozen_and_stated_once() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        EFFECTS[0].log_fold = 0.0  # type: ignore[misc]
    keys = Counter((e.field, e.level, e.niche, e.kind, e.target) for e in EFFECTS)
    assert max(keys.values()) == 1


def test_favourable_tone_does_what_the_specification_says() -> None:
    one_up = {("tone", "per unit"): 1.0}
    immune, tumour = NICHES.index("immune aggregate"), NICHES.index("tumour")
    assert log_folds(one_up, "cells")[immune, CELL_TYPES.index("CD8 T")] > 0
    assert log_folds(one_up, "state")[immune, STATES.index("cytotoxic")] > 0
    assert log_folds(one_up, "marker")[immune, MARKERS.index("PDL1")] < 0
    assert log_folds(one_up, "state")[tumour, STATES.index("proliferating")] < 0


def test_fields_without_a_path_to_biology_have_no_row() -> None:
    assert {e.field for e in EFFECTS}.isdisjoint({*PLACEBO, *TWINS, "sex", "site", "scanner"})


def test_some_markers_have_no_effect_of_their_own_anywhere() -> None:
    touched = {e.target for e in EFFECTS if e.kind == "marker"}
    assert {"DAPI", "CD45", "CD3e", "MPO"}.isdisjoint(touched)


def test_effects_add_up_and_scale() -> None:
    one = log_folds({("tone", "per unit"): 1.0}, "marker")
    two = log_folds({("tone", "per unit"): -2.0}, "marker")
    assert np.allclose(two, -2 * one)
    both = log_folds({("tone", "per unit"): 1.0, ("stage", "IV"): 1.0}, "marker")
    assert np.allclose(both, one + log_folds({("stage", "IV"): 1.0}, "marker"))
    assert not log_folds({("sex", "Male"): 1.0}, "cells").any()


def test_an_effect_everywhere_acts_in_every_niche() -> None:
    area = log_folds({("stage", "IV"): 1.0}, "area")
    assert np.all(area[:, NICHES.index("necrosis")] == 0.40)
