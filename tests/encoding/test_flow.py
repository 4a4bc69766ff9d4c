"""Reading ahead, several workers, results in order, and an end at any moment."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_haiku.encoding.flow import Flow


def through(items, read=lambda item: item, work=lambda _item, value: value, **options):
    with Flow(items, read, work, **options) as flow:
        return [result for result in flow.results() if result is not None]


@settings(max_examples=15)
@given(
    count=st.integers(0, 30),
    workers=st.integers(1, 4),
    slow=st.sets(st.integers(0, 29), max_size=3),
)
def test_results_come_in_order_whoever_is_slow(count, workers, slow):
    def work(item, value):
        if item in slow:
            time.sleep(0.005)
        return value * 2

    assert through(range(count), lambda item: item + 1, work, workers=workers) == [
        2 * (item + 1) for item in range(count)
    ]


def test_no_more_is_read_than_may_be_under_way():
    read = []
    with Flow(range(100), lambda item: read.append(item) or item, lambda _, v: v, ahead=4) as flow:
        results = flow.results()
        for taken in range(1, 6):
            while next(results) is None:
                pass
            # The one handed out made room for one more.
            assert len(read) <= taken + 4


@pytest.mark.parametrize("stage", ["read", "work"])
def test_what_fails_is_raised_in_its_turn(stage):
    def fail(item, *_):
        if item == 3:
            raise ValueError("three")
        return item

    steps = {"read": lambda item: item, "work": lambda item, _value: item} | {stage: fail}
    got = []
    with (
        Flow(range(9), steps["read"], steps["work"], workers=3) as flow,
        pytest.raises(ValueError, match="three"),
    ):
        collect(flow, got)
    assert got == [0, 1, 2]


def collect(flow, into):
    for result in flow.results():
        if result is not None:
            into.append(result)


def test_one_that_waits_is_asked_again_and_again_and_can_go():
    held, over = threading.Event(), threading.Event()

    def hang(_item, _value):
        held.wait(60)
        over.set()

    with Flow(range(3), lambda item: item, hang) as flow:
        results = flow.results()
        assert [next(results), next(results)] == [None, None], "beats while the work hangs"
    assert not over.is_set(), "it did not wait for the step that hangs"
    held.set()
    assert over.wait(60)
