"""What goes where, and how failures are told."""

from __future__ import annotations

import errno
import json
import math
import sys

import numpy as np
import pytest
import typer

from napari_haiku.cli.plain_values import plain
from napari_haiku.cli.reporting import reporting
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Progress


def _spoken(capsys, as_json, error, *, debug=False):
    with pytest.raises(typer.Exit) as ended, reporting(as_json, debug, kept="All is kept."):
        raise error
    out, err = capsys.readouterr()
    return ended.value.exit_code, out, err


def test_json_result_is_alone_on_stdout(capsys):
    with reporting(True, False) as report:
        sys.stdout.write("a library's chatter\n")
        report.say("a message")
        report.show("a line of a growing result")
        report.result({"r": np.float32(0.5), "gone": math.nan}, ["words"])
    out, err = capsys.readouterr()
    assert json.loads(out) == {"r": 0.5, "gone": None}
    assert "a library's chatter" in err
    assert "a message" in err


def test_words_without_json(capsys):
    with reporting(False, False) as report:
        report.show("first")
        report.result({"r": 1}, ["second"])
    assert capsys.readouterr().out == "first\nsecond\n"


def test_a_users_mistake_is_one_sentence(capsys):
    code, out, err = _spoken(capsys, True, HaikuError("he.tif is empty: copy it again."))
    assert code == 1
    assert json.loads(out) == {"error": "he.tif is empty: copy it again."}
    assert err == "Error: he.tif is empty: copy it again.\n"


def test_a_mistake_without_json_leaves_stdout_empty(capsys):
    _, out, err = _spoken(capsys, False, HaikuError("No."))
    assert out == ""
    assert err == "Error: No.\n"


def test_debug_shows_the_traceback_on_stderr(capsys):
    _, out, err = _spoken(capsys, True, HaikuError("No."), debug=True)
    assert "Traceback" in err
    assert "Traceback" not in out


def test_a_bug_is_one_sentence_without_its_text(capsys):
    code, out, err = _spoken(capsys, False, ValueError("patient Q7731"))
    assert code == 1
    assert "ValueError" in err
    assert "--debug" in err
    assert "Q7731" not in err
    assert out == ""


def test_a_full_disk_is_told_as_such(capsys):
    _, _, err = _spoken(capsys, False, OSError(errno.ENOSPC, "No space left on device"))
    assert "disk is full" in err


def test_ctrl_c_says_what_is_kept(capsys):
    code, _, err = _spoken(capsys, False, KeyboardInterrupt())
    assert code == 130
    assert err == "Error: Stopped. All is kept.\n"


def test_wrong_usage_passes_through():
    with pytest.raises(typer.BadParameter), reporting(False, False):
        raise typer.BadParameter("no")


def test_run_returns_the_result_and_reports_progress(capsys):
    def job():
        yield Progress(0, 2, "Counting", "sheep")
        yield Progress(2, 2, "Counting", "sheep")
        return 7

    with reporting(False, False) as report:
        assert report.run(job()) == 7
    assert capsys.readouterr().err == "Counting: 0 of 2 sheep\nCounting: 2 of 2 sheep\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(3), 3),
        (np.array([1.0, math.inf]), [1.0, None]),
        ((True, None, "µm"), [True, None, "µm"]),
        ({1: {"a": -math.inf}}, {"1": {"a": None}}),
        ({"s": frozenset({2})}, {"s": [2]}),
    ],
)
def test_plain_values(value, expected):
    assert plain(value) == expected
