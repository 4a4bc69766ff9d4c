from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.jobs import Progress
from napari_haiku.widgets.niches.niches_dock import NichesDock


@pytest.fixture(autouse=True)
def quick_map(monkeypatch):
    """The map of patches by a fixed rule: UMAP is tested where it lives."""

    def project(path, modality):
        from napari_haiku.encoding.store import Encoding

        yield Progress(0, 1, "Drawing")
        return np.asarray(Encoding.open(path).centres_um, np.float32)

    monkeypatch.setattr(NichesDock, "project", staticmethod(project))


@pytest.fixture
def dock(open_dock, workspace):
    return open_dock(NichesDock)


@pytest.fixture
def grouped(dock, press, qtbot):
    press(dock)
    qtbot.waitUntil(lambda: not dock.is_running(), timeout=60_000)
    return dock
