"""What is set on the plugin's page in napari's preferences is what the docks do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from napari.settings import get_plugin_settings

from napari_haiku.widgets.encode.encode_dock import EncodeDock
from napari_haiku.widgets.frame.navigation import PLUGIN

PATIENCE_MS = 60_000


@pytest.fixture
def settings():
    settings = get_plugin_settings(PLUGIN)
    yield settings
    settings.compute.device, settings.compute.batch_size = "auto", 0
    settings.storage.cache_folder = ""


def test_device_batch_size_and_cache_folder(
    qtbot, open_dock, stores, settings, tmp_path, monkeypatch
):
    asked = []

    def load_model(_name, *, device):
        asked.append(device)
        return stores.model

    monkeypatch.setattr("napari_haiku.model.loading.load_model", load_model)
    # The image's own folder cannot be written to.
    may = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode, **how: Path(path) != tmp_path and may(path, mode, **how)
    )
    settings.compute.device, settings.compute.batch_size = "cpu", 7
    settings.storage.cache_folder = str(tmp_path / "cache")
    dock = open_dock(EncodeDock)
    assert dock.how.device_name == "cpu"
    dock.slides.open([Path(shutil.copy(path, tmp_path)) for path in (stores.he, stores.mif)])
    qtbot.waitUntil(lambda: dock.ready or dock.strip.state == "failed", timeout=PATIENCE_MS)
    assert dock.ready, dock.strip.text
    assert asked == ["cpu"]
    request = dock.request()
    assert request.batch_size == 7
    assert request.output.is_relative_to(tmp_path / "cache")
    # A number changed later counts for the next slide, and none leaves it to the device.
    settings.compute.batch_size = 9
    assert dock.request().batch_size == 9
    settings.compute.batch_size = 0
    assert dock.request().batch_size is None
