from __future__ import annotations

import pytest
from window_bench import stores

from napari_haiku.viewer.workspace import workspace_of

__all__ = ["stores"]
PATIENCE_MS = 120_000


@pytest.fixture(autouse=True)
def _no_traces(monkeypatch, tmp_path):
    """Sessions and the mark of the tour go into the test's own folder."""
    from napari_haiku.viewer.session.folder import session_place

    def own_place(encoding):
        return tmp_path / session_place(encoding).name

    for module in ("viewer.workspace", "widgets.encode.encode_dock"):
        monkeypatch.setattr(f"napari_haiku.{module}.session_place", own_place)
    shown = tmp_path / "shown_around"
    shown.touch()
    monkeypatch.setattr("napari_haiku.widgets.frame.tour.seen_file", lambda: shown)


@pytest.fixture
def viewer():
    """A viewer model; the docks need no window of napari's."""
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def workspace(viewer, stores):
    """Workspace of an encoded slide with an atlas of eleven other patients."""
    workspace = workspace_of(viewer)
    workspace.model = stores.model
    workspace.open_encoding(stores.open_encoding())
    workspace.atlas = stores.open_atlas()
    return workspace


@pytest.fixture
def open_dock(qtbot, viewer):
    """Open docks on the viewer; they are shut down and deleted afterwards."""
    opened = []

    def open_one(kind):
        dock = kind(viewer)
        qtbot.addWidget(dock)
        opened.append(dock)
        dock.resize(382, 700)
        dock.show()
        return dock

    yield open_one
    for dock in opened:
        dock.shut_down()


@pytest.fixture
def press(qtbot):
    """Press a dock's blue button and wait for its answer."""

    def press_and_wait(dock):
        with qtbot.waitSignal(dock.finished, timeout=PATIENCE_MS) as answer:
            dock.primary.click()
        return answer.args[0]

    return press_and_wait
