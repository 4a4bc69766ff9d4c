from __future__ import annotations

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


def joined(parts, name, **options):
    part = Part(**options)
    part.leave = parts.join(name, part.state, part.restore)
    return part


def test_parts_are_told_what_they_gave_and_asked_again(parts):
    one, two = joined(parts, "one"), joined(parts, "two", value=2)
    parts.begin({"one": {"value": 5}})
    assert one.told == [{"value": 5}]
    assert two.told == []
    assert parts.gather() == {"one": {"value": 5}, "two": {"value": 2}}


def test_some_are_told_first(parts):
    order = []
    for name in ("a", "b", "c"):
        parts.join(name, dict, lambda _state, n=name: order.append(n))
    parts.begin({name: {} for name in "abc"}, first=("c",))
    assert order == ["c", "a", "b"]


def test_a_part_that_comes_later_is_told_then(parts):
    parts.begin({"late": {"value": 7}})
    assert joined(parts, "late").value == 7


def test_an_absent_part_keeps_what_it_gave(parts):
    parts.begin({"absent": {"value": 7}})
    part = joined(parts, "gone", value=3)
    part.leave()
    part.value = 4
    assert parts.gather() == {"absent": {"value": 7}, "gone": {"value": 3}}


def test_leaving_after_another_took_the_place_changes_nothing(parts):
    parts.begin({})
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
    parts.begin({"loud": {}})
    assert touched == []
    parts.touch()
    assert touched == [1]
    parts.end()
    parts.touch()
    assert touched == [1]
    assert parts.gather() == {}
