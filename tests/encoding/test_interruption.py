"""Killed, starved of disk space, or run twice at once: nothing is lost, nothing mixed."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zarr.storage
from slide_bench import content_of

from napari_haiku.encoding import layout, writer
from napari_haiku.encoding.lock import WriteLock
from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.store import Encoding
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job

_CHILD = """
import sys, time
from pathlib import Path
from fake_model import FakeModel
from slide_bench import Bench
from napari_haiku.encoding.pipeline import encode_slide
he, mif, folder = map(Path, sys.argv[1:4])
bench = Bench(he, mif, folder, FakeModel())
for report in encode_slide(bench.request(), bench.model):
    print("at", report.done, flush=True)
    time.sleep(float(sys.argv[4]))
print("finished", flush=True)
"""


def start(bench, pause=0.0):
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parents[1]))
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            _CHILD,
            str(bench.he_path),
            str(bench.mif_path),
            str(bench.folder),
            str(pause),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_killed_at_random_moments_it_ends_in_the_same_bytes(bench, encoded):
    draw = random.Random(20260505)
    kills = 0
    for _ in range(40):
        with start(bench) as child:
            child.stdout.readline()
            time.sleep(draw.uniform(0.0, 0.5 + 0.15 * kills))
            child.kill()
            finished = "finished" in child.stdout.read()
        kills += not finished
        if finished or kills == 6:
            break
    assert kills >= 2
    run_job(encode_slide(bench.request(), bench.model))
    assert content_of(bench.folder / "slide.zarr") == content_of(encoded.folder / "slide.zarr")
    left = {path.name for path in bench.folder.iterdir()}
    assert left == {"slide.zarr", "slide.zarr.log.jsonl"}


class PowerCut(BaseException):
    """Ends the process at once: nothing is written or removed any more."""


class Mains:
    """Counts what reaches the disk and cuts the power at a given step."""

    def __init__(self, monkeypatch, cut_at: int) -> None:
        self.steps, self.cut_at = 0, cut_at
        for owner, name in (
            (os, "replace"),
            (os, "fsync"),
            (os, "unlink"),
            (Path, "replace"),
            (Path, "unlink"),
            (Path, "mkdir"),
        ):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, does):
        def wrapped(*args, **kwargs):
            self.steps += 1
            if self.steps >= self.cut_at:
                raise PowerCut
            return does(*args, **kwargs)

        return wrapped


@pytest.mark.parametrize("share", [i / 16 for i in range(16)])
def test_power_cut_between_any_two_writes(bench, monkeypatch, share):
    request = bench.request(stride_um=50.0, batch_size=256)
    with monkeypatch.context() as patch:
        mains = Mains(patch, cut_at=10**9)
        run_job(encode_slide(request, bench.model))
        total = mains.steps
    whole = content_of(bench.folder / "slide.zarr")
    again = bench.request("cut.zarr", stride_um=50.0, batch_size=256)
    with monkeypatch.context() as patch:
        Mains(patch, cut_at=1 + int(share * total))
        with pytest.raises(PowerCut):
            run_job(encode_slide(again, bench.model))
    run_job(encode_slide(again, bench.model))
    assert content_of(bench.folder / "cut.zarr") == whole


def test_a_second_process_is_told_and_the_dead_ones_lock_is_taken_over(bench):
    with start(bench, pause=30) as child:
        child.stdout.readline()
        child.stdout.readline()
        with pytest.raises(HaikuError, match=rf"written by another process .*{child.pid}"):
            run_job(encode_slide(bench.request(), bench.model))
        child.kill()
    assert (bench.folder / "slide.zarr.lock").exists()
    assert run_job(encode_slide(bench.request(), bench.model)).patches > 0
    assert not (bench.folder / "slide.zarr.lock").exists()


def test_two_jobs_of_one_process_do_not_mix(bench):
    with WriteLock(bench.folder / "slide.zarr"):
        with pytest.raises(HaikuError, match="written by another process"):
            run_job(encode_slide(bench.request(), bench.model))
    assert run_job(encode_slide(bench.request(), bench.model)).resumed_from == 0


def test_a_full_disk_is_told_and_what_is_finished_is_kept(bench, encoded, monkeypatch):
    put = zarr.storage._local._put
    written = []

    def fill_up(path, value, exclusive=False):
        if "/c/2/" in path.as_posix():
            written.append(path)
            raise OSError(errno.ENOSPC, "No space left on device")
        return put(path, value, exclusive)

    with monkeypatch.context() as patch:
        patch.setattr(zarr.storage._local, "_put", fill_up)
        with pytest.raises(HaikuError, match=r"disk is full .* what is finished is kept"):
            run_job(encode_slide(bench.request(), bench.model))
    assert written
    assert Encoding.open(bench.folder / "slide.zarr", partial=True).n_patches == 512
    result = run_job(encode_slide(bench.request(), bench.model))
    assert result.resumed_from == 512
    assert content_of(result.path) == content_of(encoded.folder / "slide.zarr")


def test_a_disk_full_from_the_start_leaves_nothing(bench, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writer, "_write_fixed_parts", full)
        with pytest.raises(HaikuError, match="disk is full"):
            run_job(encode_slide(bench.request(), bench.model))
    assert not (bench.folder / "slide.zarr").exists()
    assert bench.encode(stride_um=100.0).complete
    assert {path.name for path in bench.folder.iterdir()} == {
        "slide.zarr",
        "slide.zarr.log.jsonl",
    }


def test_a_read_only_folder_is_told(bench, monkeypatch):
    opened = os.open

    def refuse(path, flags, *args, **kwargs):
        if str(path).endswith(".lock"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(HaikuError, match="cannot be written to"):
        run_job(encode_slide(bench.request(), bench.model))


def test_leftovers_of_a_killed_writer_are_removed_on_resume(bench, encoded):
    job = encode_slide(bench.request(), bench.model)
    for report in job:
        if report.total and report.done >= 256:
            break
    job.close()
    store = bench.folder / "slide.zarr"
    (store / "done" / "c" / ".1.abc").write_bytes(b"")
    (store / "embedding_he" / "c" / "1").mkdir(exist_ok=True)
    (store / "embedding_he" / "c" / "1" / "0.abc.partial").write_bytes(b"half")
    (store / "embedding_he" / "c" / "1" / "0").write_bytes(b"torn")
    run_job(encode_slide(bench.request(), bench.model))
    assert content_of(store) == content_of(encoded.folder / "slide.zarr")


def test_chunks_behind_a_gap_are_not_trusted(bench):
    bench.encode()
    (bench.folder / "slide.zarr" / layout.DONE / "c" / "1").unlink()
    assert Encoding.open(bench.folder / "slide.zarr", partial=True).n_patches == 256
