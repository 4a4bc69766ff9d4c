from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_haiku.viewer.counterfactual.placebo_words import (
    whole_edit_caution,
    whole_edit_sentence,
)
from napari_haiku.viewer.counterfactual.scenarios import Scenarios, common_limit


class Maps:
    """What the scenarios need of an answer."""

    def __init__(self, edits, shift=(1.0, -2.0)):
        self.result = SimpleNamespace(edit=SimpleNamespace(after=edits))
        self.markers = ["CD8"]
        self._shift = np.array(shift)

    def column(self, _marker):
        return self._shift


def test_an_edit_is_kept_once_and_names_stay_different():
    scenarios = Scenarios()
    scenarios.keep(Maps({"stage": "IV"}))
    newer = Maps({"stage": "IV"})
    assert scenarios.keep(newer).maps is newer
    assert scenarios.names == ["Stage IV"]
    scenarios.keep(Maps({"grade": "high"}), "Stage IV")
    assert scenarios.names == ["Stage IV", "Stage IV (2)"]
    assert scenarios.of({"grade": "high"}).name == "Stage IV (2)"


def test_a_scenario_can_be_called_otherwise():
    scenarios = Scenarios()
    scenarios.keep(Maps({"stage": "IV"}))
    scenarios.keep(Maps({"stage": "I"}))
    first, second = scenarios.names
    assert scenarios.rename(first, "  Late   disease ").name == "Late disease"
    assert scenarios.names == ["Late disease", second]
    assert scenarios.named("Late disease").edits == {"stage": "IV"}
    # Names stay different, and an empty one is refused.
    assert scenarios.rename(second, "Late disease").name == "Late disease (2)"
    assert scenarios.rename("Late disease", "   ").name == "Late disease"
    assert scenarios.rename("not kept", "x") is None
    # Asked again, it keeps the name it was given.
    assert scenarios.keep(Maps({"stage": "IV"})).name == "Late disease"


def test_up_to_three_are_compared_the_one_in_view_among_them():
    scenarios = Scenarios()
    for stage in ("I", "II", "III"):
        scenarios.keep(Maps({"stage": stage}))
    now = Maps({"stage": "IV"})
    assert [one.name for one in scenarios.compared(now)] == ["Stage II", "Stage III", "Stage IV"]
    kept = scenarios.kept[0].maps
    assert scenarios.compared(kept)[0].maps is kept
    scenarios.forget_answers()
    assert scenarios.compared(None) == []
    assert len(scenarios.names) == 3


def test_limits_are_those_of_the_largest():
    scenarios = Scenarios()
    scenarios.keep(Maps({"stage": "I"}, [0.1] * 50))
    scenarios.keep(Maps({"stage": "II"}, [4.0] * 50))
    assert common_limit(scenarios.kept, "CD8") == pytest.approx(4.0)


@pytest.mark.parametrize(("weak", "word"), [(False, "irrelevant text"), (True, "another wording")])
def test_a_weak_placebo_is_called_another_wording(weak, word):
    moved = SimpleNamespace(no_more_than_placebo=True, weak_placebo=weak, whole_edit_p=0.4)
    assert word in whole_edit_caution(moved)
    assert word in whole_edit_sentence(moved)
    far = SimpleNamespace(no_more_than_placebo=False, weak_placebo=weak, whole_edit_p=float("nan"))
    assert whole_edit_caution(far) == ""
    assert whole_edit_sentence(far) == ""
