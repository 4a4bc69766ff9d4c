from __future__ import annotations

import shutil

import pytest
from napari.components import ViewerModel

from napari_haiku.encoding.store import Encoding
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.frame.session_keeper import keep_session


@pytest.fixture
def encoding(stores, tmp_path):
    shutil.copytree(stores.encoding, tmp_path / "p0.haiku.zarr")
    return tmp_path / "p0.haiku.zarr"


@pytest.fixture
def leaves():
    """What closes each viewer; those left open are closed in good order at the end."""
    found = {}
    yield found
    for leave in found.values():
        leave()


@pytest.fixture
def visit(qtbot, encoding, leaves):
    """Open the slide in a new viewer."""

    def open_slide(viewer=None):
        viewer = viewer or ViewerModel()
        leaves[id(viewer)] = keep_session(viewer)
        workspace = workspace_of(viewer)
        workspace.open_encoding(Encoding.open(encoding))
        qtbot.waitUntil(lambda: workspace.session.live)
        return viewer, workspace

    return open_slide


@pytest.fixture
def close(leaves):
    return lambda viewer: leaves[id(viewer)]()
