"""Reading on demand: one set of threads for all who read."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import dask.array as da
import numpy as np

from napari_haiku.images.lazy import lazy_array, read, read_apart, read_together
from napari_haiku.images.pyramid import with_coarser_levels

READERS = 24


class Watched:
    """Pixels that note in which threads they are read."""

    def __init__(self, side=64):
        self.pixels = np.arange(side * side, dtype=np.uint16).reshape(side, side)
        self.shape, self.dtype, self.ndim = self.pixels.shape, self.pixels.dtype, 2
        self.threads = set()

    def __getitem__(self, key):
        self.threads.add(threading.current_thread())
        return self.pixels[key]


def all_at_once(work):
    """Run `work` in many threads, none of which ends before all have worked."""
    together = threading.Barrier(READERS)

    def one(_):
        together.wait(30)
        answer = work()
        together.wait(30)
        return answer, threading.active_count()

    with ThreadPoolExecutor(READERS) as pool:
        answers, counts = zip(*pool.map(one, range(READERS)), strict=True)
    return answers, max(counts)


def test_many_readers_share_the_threads():
    source = Watched()
    array = lazy_array(source, (16, 16))
    read(array)
    before = threading.active_count()
    answers, most = all_at_once(lambda: read(array))
    assert all(np.array_equal(answer, source.pixels) for answer in answers)
    assert most <= before + READERS + (os.cpu_count() or 1)
    assert len(source.threads) <= (os.cpu_count() or 1)
    # Nor does anything stay behind those that ended.
    assert threading.active_count() <= before + (os.cpu_count() or 1)


def test_several_arrays_share_them_too():
    source = Watched()
    array = lazy_array(source, (16, 16))
    answers, _ = all_at_once(lambda: read_together([array, array + 1]))
    assert all(np.array_equal(second, source.pixels + 1) for _, second in answers)
    assert len(source.threads) <= (os.cpu_count() or 1)


class Reading:
    """A source that reads another lazy array, as images that are being placed do."""

    def __init__(self, of):
        self.of, self.shape, self.dtype, self.ndim = of, of.shape, of.dtype, of.ndim

    def __getitem__(self, key):
        return read(self.of[key])


def test_a_source_that_reads_in_turn_never_waits_for_itself():
    source = Watched()
    nested = lazy_array(source, (8, 8))
    for _ in range(3):
        nested = lazy_array(Reading(nested), (8, 8))
    answers, _ = all_at_once(lambda: read(nested))
    assert all(np.array_equal(answer, source.pixels) for answer in answers)


def test_a_level_made_once_is_made_while_all_others_wait_for_it():
    pixels = da.random.default_rng(0).random((3000, 2000), chunks=(500, 500)).astype(np.float32)
    levels = with_coarser_levels([pixels[None]], rgb=False)
    assert len(levels) > 1
    coarsest = levels[-1]
    answers, _ = all_at_once(lambda: read(coarsest))
    assert all(np.array_equal(answer, answers[0]) for answer in answers)


def test_reading_apart_leaves_no_thread():
    source = Watched()
    before = threading.active_count()
    assert np.array_equal(read_apart(lazy_array(source, (16, 16))), source.pixels)
    assert threading.active_count() == before
