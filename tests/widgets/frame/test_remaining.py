from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.jobs import Progress
from napari_haiku.widgets.frame.remaining import Remaining, spell_duration


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def after(clock, remaining, seconds, done, total=3730, doing="Encoding"):
    clock.now += seconds
    return remaining.describe(Progress(done, total, doing))


def test_it_estimates_only_after_three_seconds_or_five_reports():
    clock = Clock()
    remaining = Remaining(clock)
    assert after(clock, remaining, 0, 0) == "0 of 3,730 patches, estimating..."
    assert after(clock, remaining, 1, 64) == "64 of 3,730 patches, estimating..."
    assert after(clock, remaining, 2, 192) == "192 of 3,730 patches, 1 min left"


def test_many_quick_reports_suffice():
    clock = Clock()
    remaining = Remaining(clock)
    for done in range(0, 320, 64):
        after(clock, remaining, 0.1, done)
    assert after(clock, remaining, 0.1, 320).endswith("left")


def test_what_was_there_before_a_resume_does_not_count_as_speed():
    clock = Clock()
    remaining = Remaining(clock)
    after(clock, remaining, 0, 3000)
    assert after(clock, remaining, 10, 3100) == "3,100 of 3,730 patches, 1 min 10 s left"


def test_a_new_step_is_timed_anew():
    clock = Clock()
    remaining = Remaining(clock)
    after(clock, remaining, 0, 0, 10, "One")
    after(clock, remaining, 100, 10, 10, "One")
    assert after(clock, remaining, 0, 0, 10, "Two") == "0 of 10 patches, estimating..."


def test_the_end_and_unknown_lengths_have_no_estimate():
    clock = Clock()
    remaining = Remaining(clock)
    assert after(clock, remaining, 0, 5, 5) == "5 of 5 patches"
    assert remaining.describe(Progress(0, 0, "Finding tissue")) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "10 s"),
        (9.5, "10 s"),
        (41, "50 s"),
        (59, "1 min"),
        (110, "1 min 50 s"),
        (3600, "1 h"),
        (3675, "1 h 1 min"),
    ],
)
def test_durations_are_rounded_up_to_ten_seconds(seconds, words):
    assert spell_duration(seconds) == words


@given(st.floats(0, 1e6))
def test_a_duration_is_never_told_shorter_by_more_than_a_minute(seconds):
    words = spell_duration(seconds).split()
    units = {"s": 1, "min": 60, "h": 3600}
    told = sum(int(n) * units[unit] for n, unit in zip(words[::2], words[1::2], strict=True))
    assert told >= seconds - 60
    assert told <= seconds + 11
