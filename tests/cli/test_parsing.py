"""Option texts into values."""

from __future__ import annotations

import pytest
import typer

from napari_haiku.cli.parsing import parse_box, parse_edits, parse_numbers, parse_weights


def test_weights():
    assert parse_weights("he=0.8,text=0.2") == {"he": 0.8, "text": pytest.approx(0.2)}
    assert parse_weights(None) is None


@pytest.mark.parametrize("text", ["he", "he=x", "colour=1", "he=-1", "he=0", ""])
def test_unreadable_weights_are_wrong_usage(text):
    with pytest.raises(typer.BadParameter):
        parse_weights(text)


def test_edits_keep_their_order():
    assert list(parse_edits(["stage=IV", "sex = Male"]).items()) == [
        ("stage", "IV"),
        ("sex", "Male"),
    ]
    assert parse_edits(None) == {}


@pytest.mark.parametrize("settings", [["stage"], ["=IV"], ["a=1", "a=2"]])
def test_unreadable_edits_are_wrong_usage(settings):
    with pytest.raises(typer.BadParameter):
        parse_edits(settings)


def test_numbers():
    assert parse_numbers("1200, -8.5", 2, "--at", "1,2") == (1200.0, -8.5)


@pytest.mark.parametrize("text", ["1", "1,2,3", "a,b", ""])
def test_unreadable_numbers_are_wrong_usage(text):
    with pytest.raises(typer.BadParameter, match="1,2"):
        parse_numbers(text, 2, "--at", "1,2")


def test_box():
    assert parse_box("0,10,100,200", "--region") == (0, 10, 100, 200)
    assert parse_box(None, "--region") is None


@pytest.mark.parametrize("text", ["0,0,0,5", "5,0,0,5", "0,5,5,0"])
def test_a_box_that_encloses_nothing_is_wrong_usage(text):
    with pytest.raises(typer.BadParameter):
        parse_box(text, "--region")
