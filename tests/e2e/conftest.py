from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from window_bench import stores

from napari_haiku.viewer.slides.encoding_place import SUFFIX

__all__ = ["stores"]


@pytest.fixture(autouse=True)
def _shown_around(monkeypatch, tmp_path):
    (tmp_path / "shown_around").touch()
    monkeypatch.setattr(
        "napari_haiku.widgets.frame.tour.seen_file", lambda: tmp_path / "shown_around"
    )


@pytest.fixture
def slide(stores, tmp_path, monkeypatch):
    """The slide in a folder of its own, not encoded yet; the window loads the pattern model."""
    monkeypatch.setattr("napari_haiku.model.loading.load_model", lambda *_a, **_k: stores.model)
    for path in (stores.he, stores.mif):
        shutil.copy(path, tmp_path)
    return replace(
        stores,
        he=tmp_path / stores.he.name,
        mif=tmp_path / stores.mif.name,
        encoding=tmp_path / f"p0{SUFFIX}",
    )
