from __future__ import annotations

import pytest
from qtpy.QtWidgets import QScrollArea

from napari_haiku.widgets.biomarkers.biomarkers_dock import BiomarkersDock
from napari_haiku.widgets.counterfactual.counterfactual_dock import CounterfactualDock
from napari_haiku.widgets.encode.encode_dock import EncodeDock
from napari_haiku.widgets.niches.niches_dock import NichesDock
from napari_haiku.widgets.similar.similar_dock import SimilarDock

WIDTH = 382


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("kind", [BiomarkersDock, NichesDock, CounterfactualDock])
def test_an_answered_dock_fits_its_width(qtbot, open_dock, press, workspace, kind):
    dock = open_dock(kind)
    workspace.selection = 40
    if kind is CounterfactualDock:
        dock.set_field("stage", "IV")
    press(dock)
    dock.resize(WIDTH, 400)
    scroll = dock.findChild(QScrollArea)
    # With 400 px of height the vertical bar is there and takes its room.
    qtbot.waitUntil(lambda: scroll.verticalScrollBar().isVisible())
    assert scroll.widget().minimumSizeHint().width() <= scroll.viewport().width()


def body_fits(dock):
    scroll = dock.findChild(QScrollArea)
    return scroll.widget().minimumSizeHint().width() <= scroll.viewport().width()


@pytest.mark.usefixtures("workspace")
def test_the_gallery_fits_its_dock(qtbot, open_dock, workspace):
    dock = open_dock(SimilarDock)
    workspace.selection = 40
    qtbot.waitUntil(lambda: dock.found is not None, timeout=60_000)
    dock.resize(WIDTH, 400)
    qtbot.waitUntil(lambda: dock.findChild(QScrollArea).verticalScrollBar().isVisible())
    assert body_fits(dock)


def test_a_slide_with_a_long_record_fits_the_encode_dock(
    qtbot, open_dock, viewer, stores, monkeypatch
):
    monkeypatch.setattr("napari_haiku.model.loading.load_model", lambda *_a, **_k: stores.model)
    dock = open_dock(EncodeDock)
    dock.slides.open([stores.he, stores.mif])
    qtbot.waitUntil(lambda: dock.ready, timeout=60_000)
    dock.workspace.record = {f"field {n}": "a value of some length" * (n % 3) for n in range(9)}
    dock.resize(WIDTH, 400)
    qtbot.waitUntil(lambda: dock.ready, timeout=60_000)
    assert body_fits(dock)
