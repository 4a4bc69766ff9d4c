from __future__ import annotations

import pytest

from napari_haiku.widgets.biomarkers.biomarkers_dock import BiomarkersDock


@pytest.fixture
def dock(open_dock, workspace):
    return open_dock(BiomarkersDock)


@pytest.fixture
def predicted(dock, press):
    """The dock with a prediction, PanCK on show."""
    press(dock)
    dock.show_marker("PanCK")
    return dock
