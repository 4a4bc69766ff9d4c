"""Killed, starved of disk space, or run twice at once: nothing is lost, nothing mixed."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr.storage
from slide_bench import CHUNK, content_of

from napari_haiku.encoding import layout, writer
from napari_haiku.encoding.lock import WriteLock
from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.store import Encoding
from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import run_job

# Imports once and forks for every run, so that a kill costs no import.
_NURSERY = """
import os, sys, time
from dataclasses import replace
from pathlib import Path
import slide_bench
from fake_model import FakeModel
from napari_haiku.encoding import layout, pipeline
import napari_haiku.images.tissue
layout.CHUNK_ROWS = slide_bench.CHUNK
for line in sys.stdin:
    he, mif, folder, pause = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if child == 0:
        bench = slide_bench.Bench(Path(he), Path(mif), Path(folder), FakeModel())
        for report in pipeline.encode_slide(bench.request(), bench.model):
            print("at", report.done, os.getpid(), flush=True)
            time.sleep(float(pause))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print("ended", status, flush=True)
"""
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork processes")


@pytest.fixture(scope="module")
def nursery():
    """A process that starts writers; each line read from it is "at N PID" or "ended STATUS"."""
    environment = dict(
        os.environ, PYTHONPATH=str(Path(__file__).parents[1]), PYTHONWARNINGS="ignore"
    )
    with subprocess.Popen(
        [sys.executable, "-c", _NURSERY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        yield process
        process.stdin.close()


def start_writer(nursery, bench, pause: float) -> int:
    """Start encoding in another process; return its id once it runs."""
    given = (bench.he_path, bench.mif_path, bench.folder, pause)
    print(*given, sep="\t", file=nursery.stdin, flush=True)
    return int(nursery.stdout.readline().split()[2])


def kill_writer(nursery, process: int) -> bool:
    """Kill a writer at once; False when it had finished."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    for line in nursery.stdout:
        if line.startswith("ended"):
            return int(line.split()[1]) != 0
    raise AssertionError("the nursery died")


@forks
def test_killed_at_random_moments_it_ends_in_the_same_bytes(bench, encoded, nursery):
    draw = np.random.default_rng(20260505)
    kills = 0
    for attempt in range(8):
        writer_id = start_writer(nursery, bench, pause=0.05)
        time.sleep(draw.uniform(0.0, 0.2 + 0.15 * attempt))
        killed = kill_writer(nursery, writer_id)
        kills += killed
        if not killed:
            break
    assert kills >= 3
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


def test_power_cut_between_any_two_writes(bench, monkeypatch):
    monkeypatch.setattr(layout, "CHUNK_ROWS", 8)
    region = (0.0, 0.0, 500.0, 400.0)
    small = {"stride_um": 100.0, "batch_size": 8, "mif": None, "region_um": region}
    small["he"] = bench.request().he
    with monkeypatch.context() as patch:
        mains = Mains(patch, cut_at=10**9)
        run_job(encode_slide(bench.request(**small), bench.model))
        total = mains.steps
    whole = content_of(bench.folder / "slide.zarr")
    assert total > 40
    for cut_at in range(1, total, 6):
        name = f"cut{cut_at}.zarr"
        again = bench.request(name, **small)
        with monkeypatch.context() as patch:
            Mains(patch, cut_at)
            with pytest.raises(PowerCut):
                run_job(encode_slide(again, bench.model))
        run_job(encode_slide(again, bench.model))
        assert content_of(bench.folder / name) == whole, cut_at


@forks
def test_a_second_process_is_told_and_the_dead_ones_lock_is_taken_over(bench, nursery):
    writer_id = start_writer(nursery, bench, pause=1)
    for _ in range(6000):
        if str(writer_id) in _text(bench.folder / "slide.zarr.lock"):
            break
        time.sleep(0.01)
    try:
        with pytest.raises(HaikuError, match=rf"written by another process .*{writer_id}"):
            run_job(encode_slide(bench.request(), bench.model))
    finally:
        assert kill_writer(nursery, writer_id)
    assert (bench.folder / "slide.zarr.lock").exists()
    assert run_job(encode_slide(bench.request(), bench.model)).patches > 0
    assert not (bench.folder / "slide.zarr.lock").exists()


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_two_jobs_of_one_process_do_not_mix(bench):
    with (
        WriteLock(bench.folder / "slide.zarr"),
        pytest.raises(HaikuError, match="written by another process"),
    ):
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
    assert Encoding.open(bench.folder / "slide.zarr", partial=True).n_patches == 2 * CHUNK
    result = run_job(encode_slide(bench.request(), bench.model))
    assert result.resumed_from == 2 * CHUNK
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
        if report.total and report.done >= CHUNK:
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
    assert Encoding.open(bench.folder / "slide.zarr", partial=True).n_patches == CHUNK


def test_a_file_damaged_in_the_middle_keeps_what_lies_before_it(bench, tmp_path):
    copy = tmp_path / "damaged.ome.tif"
    copy.write_bytes(bench.he_path.read_bytes())
    whole = open_image(copy)
    assert whole.fingerprint, "asked for while the file is whole"
    with tifffile.TiffFile(bench.he_path) as tiff:
        page = tiff.pages.first
        tile = page.chunked[1] * 4
        begin, length = page.dataoffsets[tile], page.databytecounts[tile]
    with copy.open("r+b") as stream:
        stream.seek(begin)
        stream.write(bytes(length))
    # A coarser level, as scanners write it, so that the tissue can still be found.
    coarse = open_image(bench.he_path).levels[0][::8, ::8]
    broken = replace(whole, levels=(whole.levels[0], coarse))
    with pytest.raises(HaikuError, match=r"damaged\.ome\.tif .*; \d+ of 273 patches .* kept"):
        run_job(encode_slide(bench.request(he=broken, mif=None), bench.model))
    kept = Encoding.open(bench.folder / "slide.zarr", partial=True)
    assert 0 < kept.n_patches < kept.n_planned
    assert np.isfinite(kept.embeddings("he")).all()


def test_cancelling_does_not_wait_for_a_slow_pass(bench, monkeypatch):
    entered, held, over = threading.Event(), threading.Event(), threading.Event()

    def hang(*_args):
        entered.set()
        held.wait(60)
        over.set()
        raise HaikuError("Nobody hears this any more.")

    monkeypatch.setattr(bench.model, "_he_vectors", hang, raising=False)
    job = encode_slide(bench.request(), bench.model)
    report = next(job)
    while not entered.is_set():  # tissue, the beginning, and beats while the patches are read
        report = next(job)
    report = next(job)
    assert (report.doing, report.done) == ("Encoding", 0)
    job.close()
    assert not over.is_set()
    assert not (bench.folder / "slide.zarr.lock").exists()
    held.set()
    assert over.wait(60)
