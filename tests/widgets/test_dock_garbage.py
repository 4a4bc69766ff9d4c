"""A dock that nobody holds any more must not take the program with it."""

from __future__ import annotations

import gc

from napari_haiku.widgets.frame.jobs import JobRunner, _endings
from napari_haiku.widgets.niches.niches_dock import NichesDock


def test_a_forgotten_dock_is_collected_without_a_crash(qtbot, viewer):
    gc.collect()
    before = len(_endings)
    dock = NichesDock(viewer)
    assert len(_endings) > before
    dock.shut_down()
    # A cycle, as every dock with a lambda on one of its buttons is.
    dock.itself = dock
    del dock
    gc.collect()
    assert len(_endings) == before


def test_a_forgotten_runner_stops_its_jobs(qtbot):
    runner = JobRunner()
    before = len(_endings)
    runner.close()
    del runner
    gc.collect()
    assert len(_endings) == before - 1
