from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from window_bench import Stores, stores  # noqa: F401 - a fixture

from napari_haiku.viewer.encoding_place import SUFFIX


@pytest.fixture
def slide(stores: Stores, tmp_path, monkeypatch) -> Stores:  # noqa: F811
    """The slide in a folder of its own, not encoded yet; the window loads the pattern model."""
    he, mif = (shutil.copy(path, tmp_path) for path in (stores.he, stores.mif))
    monkeypatch.setattr("napari_haiku.model.loading.load_model", lambda *_a, **_k: stores.model)
    moved = {"he": tmp_path / stores.he.name, "mif": tmp_path / stores.mif.name}
    assert str(moved["he"]) == str(he)
    assert str(moved["mif"]) == str(mif)
    return replace(stores, **moved, encoding=tmp_path / f"p0{SUFFIX}")
