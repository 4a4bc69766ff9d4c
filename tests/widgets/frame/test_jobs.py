from __future__ import annotations

import threading
import time

import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Progress
from napari_haiku.widgets.frame import jobs
from napari_haiku.widgets.frame.jobs import JobRunner, failure_of


@pytest.fixture
def runner(qtbot):
    runner = JobRunner()
    yield runner
    runner.close()
    assert not jobs._threads


def steps(n, gate=None, log=None):
    try:
        for done in range(n):
            if gate is not None:
                gate.wait(10)
            yield Progress(done, n, "Working")
    finally:
        if log is not None:
            log.append("closed")
    return "answer"


def test_results_and_progress_arrive_on_the_main_thread(runner, qtbot):
    seen = []
    runner.start(
        steps(3),
        lambda result: seen.append((result, threading.current_thread())),
        on_progress=lambda report: seen.append((report.done, threading.current_thread())),
    )
    assert runner.is_running()
    qtbot.waitUntil(lambda: any(value == "answer" for value, _ in seen))
    assert {thread for _, thread in seen} == {threading.main_thread()}
    assert not runner.is_running()


def test_a_plain_function_runs_in_a_thread_too(runner, qtbot):
    seen = []
    runner.start(threading.current_thread, seen.append)
    qtbot.waitUntil(lambda: bool(seen))
    assert seen[0] is not threading.main_thread()


def test_a_newer_job_in_a_lane_replaces_the_older_whose_answer_is_dropped(runner, qtbot):
    gate, seen = threading.Event(), []
    runner.start(steps(3, gate), lambda _r: seen.append("old"))
    runner.start(lambda: "new", seen.append)
    gate.set()
    qtbot.waitUntil(lambda: seen == ["new"])
    qtbot.wait(50)
    assert seen == ["new"]


def test_lanes_do_not_disturb_each_other(runner, qtbot):
    seen = []
    runner.start(lambda: "a", seen.append, lane="one")
    runner.start(lambda: "b", seen.append, lane="two")
    qtbot.waitUntil(lambda: sorted(seen) == ["a", "b"])


def test_cancelling_closes_the_job_and_gives_no_answer(runner, qtbot):
    log, seen, reports = [], [], []
    runner.start(
        steps(10**9, log=log),
        seen.append,
        on_progress=reports.append,
        on_stopped=lambda: seen.append("stopped"),
    )
    qtbot.waitUntil(lambda: bool(reports))
    runner.cancel()
    qtbot.waitUntil(lambda: seen == ["stopped"])
    assert log == ["closed"]


def test_a_failure_is_told_and_frees_the_lane(runner, qtbot):
    seen = []

    def fail():
        raise HaikuError("The disk is full.")

    runner.start(fail, seen.append, on_failure=seen.append)
    qtbot.waitUntil(lambda: bool(seen))
    assert seen[0].sentence == "The disk is full."
    assert seen[0].details is None
    assert not runner.is_running()


def test_an_answer_that_cannot_be_taken_is_told_as_a_failure(runner, qtbot):
    seen = []

    def refuse(_result):
        raise HaikuError("The slide is empty.")

    runner.start(lambda: 1, refuse, on_failure=seen.append)
    qtbot.waitUntil(lambda: bool(seen))
    assert seen[0].sentence == "The slide is empty."
    assert not runner.is_running()


def test_an_unexpected_error_in_taking_an_answer_is_told_and_logged(runner, qtbot):
    seen = []
    with qtbot.capture_exceptions() as logged:
        runner.start(dict, lambda result: result["slide"], on_failure=seen.append)
        qtbot.waitUntil(lambda: bool(seen))
        qtbot.wait(20)
    assert "KeyError" in seen[0].details
    assert [kind for kind, *_ in logged] == [KeyError]


def test_closing_waits_for_the_threads_and_drops_their_answers(qtbot):
    runner, seen, entered = JobRunner(), [], threading.Event()

    def slow():
        entered.set()
        time.sleep(0.05)
        seen.append("worked")
        return "late"

    runner.start(slow, seen.append)
    assert entered.wait(10)
    runner.close()
    assert seen == ["worked"]
    assert not jobs._threads
    qtbot.wait(20)
    assert seen == ["worked"]
    runner.start(lambda: 1, seen.append)
    assert not runner.is_running()


def test_unexpected_errors_keep_their_report_for_the_developers():
    try:
        raise KeyError("secret")
    except KeyError as error:
        failure = failure_of(error)
    assert "KeyError" in failure.sentence
    assert "secret" not in failure.sentence
    assert "Traceback" in failure.details


def test_running_out_of_memory_has_words_of_its_own():
    assert "memory" in failure_of(MemoryError()).sentence


def test_reports_are_thinned_but_the_last_one_arrives(runner, qtbot):
    seen, done = [], []
    runner.start(
        (Progress(i, 500, "Working") for i in range(501)),
        done.append,
        on_progress=lambda report: seen.append(report.done),
    )
    qtbot.waitUntil(lambda: bool(done))
    assert seen[-1] == 500
    assert len(seen) < 250
