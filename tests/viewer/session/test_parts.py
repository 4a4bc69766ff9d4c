from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from napari_haiku.viewer.session.parts import SessionParts


class Part:
    def __init__(self, value=0):
        self.value = value
        self.told = []

    def state(self):
        return {"value": self.value}

    def restore(self, state):
        self.told.append(state)
        self.value = state.get("value", self.value)


@pytest.fixture
def parts():
    return SessionParts()


def joined(parts, name, *, early=False, **options):
    part = Part(**options)
    part.leave = parts.join(name, part.state, part.restore, early=early)
    return part


def begun(parts, kept):
    parts.begin(kept)
    parts.tell_all()


def test_parts_are_told_what_they_gave_and_asked_again(parts):
    one, two = joined(parts, "one"), joined(parts, "two", value=2)
    begun(parts, {"one": {"value": 5}})
    assert one.told == [{"value": 5}]
    assert two.told == []
    assert parts.gather() == {"one": {"value": 5}, "two": {"value": 2}}


def test_early_parts_are_told_before_there_is_an_encoding_and_only_once(parts):
    early, other = joined(parts, "early", early=True), joined(parts, "other")
    parts.begin({"early": {"value": 1}, "other": {"value": 2}})
    assert (early.told, other.told) == ([{"value": 1}], [])
    # What was not told yet is not overwritten by a part that does not know it.
    assert parts.gather() == {"early": {"value": 1}, "other": {"value": 2}}
    parts.tell_all()
    assert (len(early.told), other.told) == (1, [{"value": 2}])


def test_a_part_that_comes_later_is_told_then(parts):
    begun(parts, {"late": {"value": 7}})
    assert joined(parts, "late").value == 7


def test_an_absent_part_keeps_what_it_gave(parts):
    begun(parts, {"absent": {"value": 7}})
    part = joined(parts, "gone", value=3)
    part.leave()
    part.value = 4
    assert parts.gather() == {"absent": {"value": 7}, "gone": {"value": 3}}


def test_leaving_before_being_told_loses_nothing(parts):
    part = joined(parts, "dock", value=1)
    parts.begin({"dock": {"value": 9}})
    part.leave()
    assert parts.gather() == {"dock": {"value": 9}}


def test_leaving_after_another_took_the_place_changes_nothing(parts):
    begun(parts, {})
    first, second = joined(parts, "dock", value=1), joined(parts, "dock", value=2)
    first.leave()
    assert parts.gather() == {"dock": {"value": 2}}
    assert second.told == []


def test_only_a_live_session_is_touched_and_never_by_telling(parts):
    touched = []
    parts.touched.connect(lambda: touched.append(1))
    parts.touch()
    assert touched == []
    parts.join("loud", dict, lambda _state: parts.touch())
    begun(parts, {"loud": {}})
    assert touched == []
    parts.touch()
    assert touched == [1]
    parts.end()
    parts.touch()
    assert touched == [1]
    assert parts.gather() == {}


def test_a_part_that_fails_stops_neither_saving_nor_the_others(parts, caplog):
    def fail(*_):
        raise RuntimeError("broken")

    said = []
    parts.spoke.connect(lambda _state, sentence: said.append(sentence))
    parts.join("broken", fail, fail)
    other = joined(parts, "other")
    begun(parts, {"broken": {"value": 1}, "other": {"value": 2}})
    assert other.value == 2
    assert said == ["What broken kept could not be brought back; it stays."]
    # What it gave earlier is saved again, also should it fail to say it.
    assert parts.gather() == {"broken": {"value": 1}, "other": {"value": 2}}
    begun(parts, {})
    assert parts.gather() == {"other": {"value": 2}}
    assert "broken could not say" in caplog.text


def test_a_part_is_not_kept_alive(parts):
    part = joined(parts, "dock", value=3)
    begun(parts, {})
    assert parts.gather() == {"dock": {"value": 3}}
    watched = weakref.ref(part)
    del part
    gc.collect()
    assert watched() is None
    assert parts.gather() == {"dock": {"value": 3}}


def test_a_slide_is_left_while_everything_said_about_it_is_there(parts):
    part, seen = joined(parts, "dock", value=4), []
    parts.leaving.connect(lambda: seen.append(parts.gather()))
    parts.placed.connect(lambda place: seen.append(place))
    parts.put(Path("a"))
    begun(parts, {})
    parts.put(Path("a"))
    parts.put(Path("b"))
    part.value = 5
    assert seen == [Path("a"), {"dock": {"value": 4}}, Path("b")]
    assert not parts.live
