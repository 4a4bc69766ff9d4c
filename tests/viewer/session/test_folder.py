from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_haiku.errors import HaikuError
from napari_haiku.viewer.session import folder
from napari_haiku.viewer.session.belonging import Belonging
from napari_haiku.viewer.session.folder import (
    free_aside,
    read_copy,
    read_session,
    session_place,
    write_session,
)

plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
states = st.dictionaries(
    st.text(max_size=5),
    st.recursive(plain, lambda inner: st.lists(inner, max_size=3), max_leaves=5),
    max_size=3,
)


def test_the_place_lies_beside_the_encoding():
    assert session_place(Path("x/a.haiku.zarr")) == Path("x/a.haiku.session")
    assert session_place(Path("x/a.zarr")) == Path("x/a.haiku.session")


@settings(max_examples=25, deadline=None)
@given(parts=st.dictionaries(st.text(max_size=5), states, max_size=3))
def test_what_is_written_comes_back(tmp_path_factory, parts):
    place = tmp_path_factory.mktemp("session") / "a.haiku.session"
    write_session(place, parts, None)
    assert read_session(place).parts == parts


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "bool", "<U5"])
def test_arrays_come_back_as_they_were(tmp_path, dtype):
    array = np.arange(12).reshape(3, 4).astype(dtype)
    write_session(tmp_path / "s", {"a": {"deep": [{"array": array}]}}, Belonging("x.zarr"))
    back = read_session(tmp_path / "s")
    assert back.belonging == Belonging("x.zarr")
    found = back.parts["a"]["deep"][0]["array"]
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_arrays_that_nobody_names_are_removed_and_equal_ones_kept_once(tmp_path):
    ones = np.ones(5)
    write_session(tmp_path / "s", {"a": {"x": ones, "y": ones.copy(), "z": np.zeros(3)}}, None)
    assert len(list((tmp_path / "s" / "arrays").iterdir())) == 2
    write_session(tmp_path / "s", {"a": {"x": ones}}, None)
    assert len(list((tmp_path / "s" / "arrays").iterdir())) == 1


@pytest.mark.parametrize("step", range(4))
def test_a_kill_at_any_step_leaves_the_old_session_whole(tmp_path, monkeypatch, step):
    old = {"a": {"x": np.zeros(4), "name": "old"}}
    write_session(tmp_path / "s", old, None)
    done = 0
    replace = os.replace

    def killed(*paths):
        nonlocal done
        if done == step:
            raise KeyboardInterrupt
        done += 1
        replace(*paths)

    monkeypatch.setattr(os, "replace", killed)
    new = {"a": {"x": np.ones(4), "y": np.ones(5), "name": "new"}}
    # Two arrays, then the JSON file: three files take their names.
    try:
        write_session(tmp_path / "s", new, None)
    except KeyboardInterrupt:
        assert step < 3
    else:
        assert step == 3
    monkeypatch.undo()
    back = read_session(tmp_path / "s").parts["a"]
    assert back["name"] == ("new" if step == 3 else "old")
    np.testing.assert_array_equal(back["x"], np.full(4, float(step == 3)))


def test_no_pickle_is_ever_read_or_written(tmp_path):
    with pytest.raises(ValueError, match=r"[Oo]bject arrays"):
        write_session(tmp_path / "s", {"a": {"x": np.array([object()])}}, None)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "other"}', ""])
def test_an_unreadable_file_is_put_aside_and_never_overwritten(tmp_path, text):
    (tmp_path / "session.json").write_text(text)
    assert read_session(tmp_path) is None
    write_session(tmp_path, {}, None)
    assert (tmp_path / "unreadable-1.json").read_text() == text
    assert read_session(tmp_path).parts == {}


def test_a_newer_session_is_refused_and_left_alone(tmp_path):
    write_session(tmp_path, {}, None)
    file = tmp_path / "session.json"
    newer = json.loads(file.read_text()) | {"format_version": folder.FORMAT_VERSION + 1}
    file.write_text(json.dumps(newer))
    with pytest.raises(HaikuError, match="newer version"):
        read_session(tmp_path)
    assert json.loads(file.read_text()) == newer


def test_what_cannot_be_kept_is_the_programmers_mistake(tmp_path):
    with pytest.raises(TypeError, match="cannot keep a set"):
        write_session(tmp_path, {"a": {"x": {1}}}, None)


def test_a_copy_is_read_by_its_folder_or_the_file_in_it(tmp_path):
    place = tmp_path / "copy.haiku.session"
    write_session(place, {"a": {"x": np.arange(3)}}, Belonging("x.zarr", {"he": "1"}, 9, 100, 50))
    for chosen in (place, place / "session.json"):
        kept = read_copy(chosen)
        np.testing.assert_array_equal(kept.parts["a"]["x"], np.arange(3))
        assert kept.belonging == Belonging("x.zarr", {"he": "1"}, 9, 100, 50)


def _damaged(place):
    (place / "session.json").write_text("{ half")


def _other_json(place):
    (place / "session.json").write_text("[1]")


def _empty_array(place):
    next((place / "arrays").iterdir()).write_bytes(b"")


def _cut_array(place):
    array = next((place / "arrays").iterdir())
    array.write_bytes(array.read_bytes()[:-5])


def _archive_for_array(place):
    next((place / "arrays").iterdir()).write_bytes(b"PK\x03\x04 no archive")


def _no_array(place):
    next((place / "arrays").iterdir()).unlink()


@pytest.mark.parametrize(
    "spoil", [_damaged, _other_json, _empty_array, _cut_array, _archive_for_array, _no_array]
)
def test_a_damaged_copy_is_named_and_left_as_it_is(tmp_path, spoil):
    place = tmp_path / "copy.haiku.session"
    write_session(place, {"a": {"x": np.arange(3)}})
    spoil(place)
    before = {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}
    with pytest.raises(HaikuError, match=r"copy\.haiku\.session is damaged or no session"):
        read_copy(place)
    assert {file: file.read_bytes() for file in place.rglob("*") if file.is_file()} == before
    # As the session of a slide it is put aside and the slide opens without.
    assert read_session(place) is None
    assert (place / "unreadable-1.json").exists()


def test_what_is_no_session_is_told_apart(tmp_path):
    file = tmp_path / "slide.tif"
    file.write_bytes(b"II")
    with pytest.raises(HaikuError, match=r"slide\.tif is a file: choose a folder"):
        read_copy(file)
    with pytest.raises(HaikuError, match="holds no session"):
        read_copy(tmp_path)
    with pytest.raises(HaikuError, match="gone does not exist"):
        read_copy(tmp_path / "gone")
    with pytest.raises(HaikuError, match=r"slide\.tif is a file"):
        write_session(file, {})


def test_a_session_is_set_aside_under_a_name_that_nothing_has(tmp_path):
    place = tmp_path / "a.haiku.session"
    when = datetime(2026, 3, 4, 5, 6)
    first = free_aside(place, when)
    assert first.name == "a until 2026-03-04 05.06.haiku.session"
    first.mkdir()
    assert free_aside(place, when).name == "a until 2026-03-04 05.06 (2).haiku.session"
