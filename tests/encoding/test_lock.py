from __future__ import annotations

import errno
import json
import os

import pytest

from napari_haiku.encoding import lock
from napari_haiku.encoding.lock import WriteLock
from napari_haiku.errors import HaikuError


def test_the_lock_file_says_who_writes_and_goes_when_done(tmp_path):
    with WriteLock(tmp_path / "a.zarr"):
        assert json.loads((tmp_path / "a.zarr.lock").read_text())["process"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_it_goes_after_an_error_too(tmp_path):
    with pytest.raises(RuntimeError), WriteLock(tmp_path / "a.zarr"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_is_told_who_writes(tmp_path):
    with WriteLock(tmp_path / "a.zarr"):
        with pytest.raises(HaikuError, match=rf"a\.zarr is being .*process {os.getpid()} on"):
            WriteLock(tmp_path / "a.zarr").__enter__()
        with WriteLock(tmp_path / "b.zarr"):
            pass
    with WriteLock(tmp_path / "a.zarr"):
        pass


def test_a_file_left_by_a_dead_process_is_taken_over(tmp_path):
    left = tmp_path / "a.zarr.lock"
    left.write_text('{"process": 999999999, "computer": "elsewhere, long name to be cut"}')
    with WriteLock(tmp_path / "a.zarr"):
        assert json.loads(left.read_text())["process"] == os.getpid()


def test_an_unreadable_lock_file_does_not_hide_the_sentence(tmp_path):
    with WriteLock(tmp_path / "a.zarr"):
        (tmp_path / "a.zarr.lock").write_bytes(b"\xff\xfe")
        with pytest.raises(HaikuError, match="just started"):
            WriteLock(tmp_path / "a.zarr").__enter__()


def test_a_lock_file_removed_while_waiting_is_made_again(tmp_path, monkeypatch):
    target = tmp_path / "a.zarr"
    really = lock._lock
    removed = []

    def lose_the_first(handle):
        if not removed:
            removed.append(True)
            (tmp_path / "a.zarr.lock").unlink()
        really(handle)

    monkeypatch.setattr(lock, "_lock", lose_the_first)
    with WriteLock(target):
        assert (tmp_path / "a.zarr.lock").exists()
    assert removed


def test_a_folder_without_locks_is_told(tmp_path, monkeypatch):
    def unsupported(handle):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "_lock", unsupported)
    with pytest.raises(HaikuError, match="does not allow files to be locked"):
        WriteLock(tmp_path / "a.zarr").__enter__()
