"""Fields of the record become standardised columns; what is not known stays open."""

from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.training.config import TrainConfig
from napari_haiku.training.record_targets import RecordTargets, record_fields


def _people(n: int = 60) -> dict[str, dict[str, str]]:
    return {
        f"p{i}": {
            "grade": f"G{1 + i % 3}",
            "sex": "Female" if i % 4 else "Male",
            "age": str(40 + i),
            "patient_id": str(i),
            "tnm": f"T{i}",
        }
        for i in range(n)
    }


def test_levels_and_scales_have_mean_zero_and_spread_one() -> None:
    people = _people()
    targets = RecordTargets(people, ["grade", "sex", "age"])
    assert targets.width == 3 + 1 + 1
    found = targets.of(list(people.values()))
    assert np.allclose(found.mean(0), 0, atol=1e-5)
    assert np.allclose(found.std(0), 1, atol=1e-5)
    # Every level of a field has its own column.
    assert (found[:, :3].argmax(1) == np.arange(60) % 3).all()


def test_an_empty_field_is_open_and_an_unseen_level_is_none_of_those_known() -> None:
    targets = RecordTargets(_people(), ["grade", "age"])
    found = targets.of([{"grade": "", "age": "50"}, {"grade": "G9", "age": "old"}, {}])
    assert np.isnan(found[0, :3]).all()
    assert np.isfinite(found[0, 3])
    assert (found[1, :3] < 0).all()
    assert np.isnan(found[1, 3])
    assert np.isnan(found[2]).all()


@pytest.mark.parametrize("field", ["tnm", "ward", "patient_id"])
def test_a_field_that_cannot_be_told_is_named(field: str) -> None:
    with pytest.raises(HaikuError, match=f"cannot tell the field '{field}'"):
        RecordTargets(_people(), ["grade", field])


def test_seldom_levels_are_not_learnt() -> None:
    people = _people(300) | {f"q{i}": {"grade": "GX"} for i in range(2)}
    assert RecordTargets(people, ["grade"]).width == 3


def test_without_the_objective_there_is_nothing_to_tell() -> None:
    targets = RecordTargets(_people(), record_fields(TrainConfig()))
    assert targets.width == 0
    assert targets.of([{"grade": "G1"}]).shape == (1, 0)


@pytest.mark.parametrize("entry", [1.0, {"weight": 1.0}, {"fields": []}, {"fields": "grade"}])
def test_fields_must_be_named(entry: object) -> None:
    with pytest.raises(HaikuError, match="which fields to tell"):
        record_fields(TrainConfig(objectives={"record": entry}))


def test_fields_without_meaning_are_refused() -> None:
    config = TrainConfig(
        objectives={"record": {"fields": ["grade", "shelf"]}}, placebo_fields=("shelf",)
    )
    with pytest.raises(HaikuError, match="'shelf', which carries no information"):
        record_fields(config)
