from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from window_bench import stores

from napari_haiku.encoding.store import Encoding
from napari_haiku.jobs import Progress
from napari_haiku.viewer.slides.encoding_place import SUFFIX
from napari_haiku.widgets.niches.niches_dock import NichesDock

__all__ = ["stores"]


@pytest.fixture(autouse=True)
def _shown_around(monkeypatch, tmp_path):
    (tmp_path / "shown_around").touch()
    monkeypatch.setattr(
        "napari_haiku.widgets.frame.tour.seen_file", lambda: tmp_path / "shown_around"
    )


def _flat(path, _modality):
    yield Progress(0, 1, "Drawing")
    return np.asarray(Encoding.open(path).centres_um, np.float32)


@pytest.fixture
def slide(stores, tmp_path, monkeypatch):
    """The slide in a folder of its own, not encoded yet; the window loads the pattern model."""
    monkeypatch.setattr("napari_haiku.model.loading.load_model", lambda *_a, **_k: stores.model)
    # UMAP is tested where it lives; its process would take longer to load than all of the rest.
    monkeypatch.setattr(NichesDock, "project", staticmethod(_flat))
    for path in (stores.he, stores.mif):
        shutil.copy(path, tmp_path)
    return replace(
        stores,
        he=tmp_path / stores.he.name,
        mif=tmp_path / stores.mif.name,
        encoding=tmp_path / f"p0{SUFFIX}",
    )
