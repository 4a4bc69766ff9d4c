"""A dock that nobody holds any more must not take the program with it."""

from __future__ import annotations

import gc

import pytest
from qtpy import PYSIDE6
from qtpy.QtCore import QCoreApplication, QEvent

from napari_haiku.widgets.biomarkers.biomarkers_dock import BiomarkersDock
from napari_haiku.widgets.counterfactual.counterfactual_dock import CounterfactualDock
from napari_haiku.widgets.encode.encode_dock import EncodeDock
from napari_haiku.widgets.frame.jobs import JobRunner, _endings
from napari_haiku.widgets.niches.niches_dock import NichesDock
from napari_haiku.widgets.similar.similar_dock import SimilarDock


@pytest.mark.parametrize(
    "kind", [EncodeDock, SimilarDock, BiomarkersDock, NichesDock, CounterfactualDock]
)
def test_a_forgotten_dock_is_collected_without_a_crash(qtbot, viewer, kind):
    gc.collect()
    before = len(_endings)
    dock = kind(viewer)
    assert len(_endings) > before
    dock.shut_down()
    # A cycle, as every dock with a lambda on one of its buttons is.
    dock.itself = dock
    if PYSIDE6:
        # PySide collects no widget that its own connections hold: its window deletes it.
        dock.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
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
