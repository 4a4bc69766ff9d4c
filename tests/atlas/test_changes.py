from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from atlas_bench import COHORT, encode, same_but
from fake_model import FakeModel
from slide_bench import content_of

from napari_haiku.atlas import array_file, replacing
from napari_haiku.atlas.build import build_atlas
from napari_haiku.atlas.changes import add_to_atlas, compact_atlas, remove_from_atlas
from napari_haiku.atlas.store import Atlas
from napari_haiku.encoding.lock import WriteLock
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job


def same_content(first: Path, second: Path) -> None:
    one, other = content_of(first), content_of(second)
    assert set(one) == set(other)
    for name in one:
        assert one[name] == other[name], name


def test_adding_gives_what_building_gives(built, tmp_path):
    run_job(build_atlas(built.encodings[:2], tmp_path / "a"))
    change = run_job(add_to_atlas(tmp_path / "a", built.encodings[2:]))
    assert (change.slides, change.atlas.n_slides) == (2, 4)
    run_job(build_atlas(built.encodings, tmp_path / "b"))
    same_content(tmp_path / "a", tmp_path / "b")


def test_removing_leaves_the_other_slides_and_their_pseudonyms(built, tmp_path):
    run_job(build_atlas(built.encodings, tmp_path / "a"))
    change = run_job(remove_from_atlas(tmp_path / "a", [built.encodings[0].path]))
    atlas = change.atlas
    assert atlas.slides["slide_id"].tolist() == ["s2", "s3", "s4"]
    assert atlas.slides["patient_pseudonym"].tolist() == ["P01", "P02", "P03"]
    assert atlas.slides["slide_pseudonym"].tolist() == ["S02", "S03", "S04"]
    assert change.bytes_freed > 0
    np.testing.assert_array_equal(atlas.embeddings("mif"), built.atlas.embeddings("mif")[16:])
    back = run_job(add_to_atlas(tmp_path / "a", [built.encodings[0].path])).atlas
    assert back.slides["slide_id"].tolist() == ["s2", "s3", "s4", "s1"]
    assert back.slides["slide_pseudonym"].tolist()[-1] == "S05"
    assert back.slides["patient_pseudonym"].tolist()[-1] == "P01"
    np.testing.assert_array_equal(back.thumbnail(48), built.atlas.thumbnail(0))


def test_slides_are_removed_by_name_where_their_encoding_is_gone(built, tmp_path):
    for given in ("s3.zarr", "s3", tmp_path / "gone" / "s3.zarr"):
        path = tmp_path / str(abs(hash(str(given))))
        run_job(build_atlas(built.encodings, path))
        atlas = run_job(remove_from_atlas(path, [given])).atlas
        assert atlas.slides["slide_id"].tolist() == ["s1", "s2", "s4"]
        assert atlas.markers == ("DAPI", "CD8", "PanCK")
    with pytest.raises(HaikuError, match=r"holds no slide of s9\.zarr"):
        run_job(remove_from_atlas(path, ["s9.zarr"]))
    with pytest.raises(HaikuError, match="No slide would be left"):
        run_job(remove_from_atlas(path, ["s1", "s2", "s4"]))


def test_what_is_there_already_is_not_added_again(built, tmp_path):
    run_job(build_atlas(built.encodings, tmp_path / "a"))
    before = content_of(tmp_path / "a")
    assert run_job(add_to_atlas(tmp_path / "a", built.encodings[:1])).slides == 0
    assert content_of(tmp_path / "a") == before
    other = encode(same_but(COHORT[1], slide_id="s1"), 7, tmp_path, FakeModel())
    with pytest.raises(HaikuError, match="holds with other content"):
        run_job(add_to_atlas(tmp_path / "a", [other]))
    stranger = encode(same_but(COHORT[1], slide_id="s8"), 7, tmp_path, FakeModel(seed=3))
    with pytest.raises(HaikuError, match="encode all slides with one model"):
        run_job(add_to_atlas(tmp_path / "a", [stranger]))
    assert content_of(tmp_path / "a") == before


def test_compacting_keeps_slides_and_clears_what_a_kill_left(built, tmp_path):
    run_job(build_atlas(built.encodings, tmp_path / "a"))
    before = content_of(tmp_path / "a")
    (tmp_path / ".a.new").mkdir()
    (tmp_path / ".a.new" / "half").write_bytes(b"x")
    change = run_job(compact_atlas(tmp_path / "a"))
    assert change.slides == 0
    assert content_of(tmp_path / "a") == before
    assert {path.name for path in tmp_path.iterdir()} == {"a"}


def test_a_second_writer_is_told(built, tmp_path):
    run_job(build_atlas(built.encodings[:2], tmp_path / "a"))
    with WriteLock(tmp_path / "a"):
        for job in (
            add_to_atlas(tmp_path / "a", built.encodings[2:]),
            remove_from_atlas(tmp_path / "a", ["s1"]),
            compact_atlas(tmp_path / "a"),
        ):
            with pytest.raises(HaikuError, match="being written by another process"):
                run_job(job)


def test_a_full_disk_leaves_the_old_atlas_and_nothing_else(built, tmp_path, monkeypatch):
    run_job(build_atlas(built.encodings[:2], tmp_path / "a"))
    before = content_of(tmp_path / "a")
    write = array_file.ArrayFile.write

    def full(self, rows):
        if len(rows) and self._shape[0] > 32:
            raise OSError(28, "No space left on device")
        write(self, rows)

    monkeypatch.setattr(array_file.ArrayFile, "write", full)
    with pytest.raises(HaikuError, match="The disk is full"):
        run_job(add_to_atlas(tmp_path / "a", built.encodings[2:]))
    assert content_of(tmp_path / "a") == before
    assert {path.name for path in tmp_path.iterdir()} == {"a"}


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_read_only_folder_is_told(built, tmp_path):
    run_job(build_atlas(built.encodings[:2], tmp_path / "a"))
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(HaikuError, match="cannot be written to"):
            run_job(add_to_atlas(tmp_path / "a", built.encodings[2:]))
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_cannot_be_written_is_told(built, tmp_path, monkeypatch):
    run_job(build_atlas(built.encodings[:2], tmp_path / "a"))

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(HaikuError, match="cannot be written to"):
        run_job(add_to_atlas(tmp_path / "a", built.encodings[2:]))


def test_a_kill_between_two_renames_is_settled_by_whoever_comes_next(built, tmp_path, monkeypatch):
    """Where the system cannot swap folders in one step."""
    run_job(build_atlas(built.encodings[:2], tmp_path / "a"))
    monkeypatch.setattr(replacing, "_exchange", lambda first, second: False)
    run_job(add_to_atlas(tmp_path / "a", built.encodings[2:3]))
    assert Atlas.open(tmp_path / "a").n_slides == 3
    shutil.copytree(tmp_path / "a", tmp_path / ".a.new")
    (tmp_path / "a").rename(tmp_path / ".a.old")
    assert Atlas.open(tmp_path / "a").n_slides == 3
    (tmp_path / "a").rename(tmp_path / ".a.new")
    (tmp_path / ".a.new" / "atlas.json").unlink()
    # The new one was not whole: the old one comes back.
    assert Atlas.open(tmp_path / "a").n_slides == 3


def test_killed_at_any_moment_there_is_the_old_atlas_or_the_new(built, tmp_path):
    """Killed at every file that is opened or renamed on the way, one after the other."""
    run_job(build_atlas(built.encodings[:2], tmp_path / "a"))
    run_job(build_atlas(built.encodings[:3], tmp_path / "wanted"))
    old, new = content_of(tmp_path / "a"), content_of(tmp_path / "wanted")
    code = textwrap.dedent("""
        import os, signal, sys
        from napari_haiku.atlas.changes import add_to_atlas
        from napari_haiku.jobs import run_job
        left = int(sys.argv[3])
        def count(event, args):
            global left
            if event in ("os.rename", "os.remove", "os.rmdir") or (
                event == "open" and isinstance(args[1], str) and set(args[1]) & set("wa+")
            ):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(count)
        run_job(add_to_atlas(sys.argv[1], [sys.argv[2]]))
    """)
    seen = set()
    for moment in (2, 14, 24, 500):
        copy = shutil.copytree(tmp_path / "a", tmp_path / "copies" / f"{moment}" / "a")
        done = subprocess.run(
            [sys.executable, "-c", code, copy, built.encodings[2].path, str(moment)], check=False
        )
        assert done.returncode in (0, -signal.SIGKILL)
        seen.add(done.returncode)
        content = content_of(copy)
        assert content in (old, new), moment
        run_job(add_to_atlas(copy, [built.encodings[2].path]))
        assert content_of(copy) == new
        assert {path.name for path in copy.parent.iterdir()} == {"a"}
    assert seen == {0, -signal.SIGKILL}
