"""Places to write."""

from __future__ import annotations

import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.export.destination import fresh_file, fresh_folder


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(ZeroDivisionError), fresh_file(path) as fresh:
        fresh.write_text(f"half{1 // 0}")
    assert list(tmp_path.iterdir()) == []
    with fresh_file(path) as fresh:
        fresh.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"


def test_nothing_is_replaced_unasked(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("mine")
    with pytest.raises(HaikuError, match="exists already"), fresh_file(path):
        pass
    assert path.read_text() == "mine"
    with fresh_file(path, replace=True) as fresh:
        fresh.write_text("new")
    assert path.read_text() == "new"


def test_a_foreign_folder_stays_even_when_replacing(tmp_path):
    path = tmp_path / "work"
    path.mkdir()
    (path / "thesis.txt").write_text("years")
    with (
        pytest.raises(HaikuError, match="something else"),
        fresh_folder(path, ours=lambda _: False, replace=True),
    ):
        pass
    with fresh_folder(path, ours=lambda _: True, replace=True) as fresh:
        (fresh / "new").write_text("x")
    assert [entry.name for entry in path.iterdir()] == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["work"]


def test_a_missing_folder_is_a_sentence(tmp_path):
    with pytest.raises(HaikuError, match="does not exist"), fresh_file(tmp_path / "no" / "a.csv"):
        pass
