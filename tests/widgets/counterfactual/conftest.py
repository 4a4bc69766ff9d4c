from __future__ import annotations

import pytest

from napari_haiku.widgets.counterfactual.counterfactual_dock import CounterfactualDock


@pytest.fixture
def dock(open_dock, workspace):
    return open_dock(CounterfactualDock)


@pytest.fixture
def answered(dock, press):
    """The dock after asking about stage IV, answering no further edit by itself."""
    dock.set_field("stage", "IV")
    press(dock)
    dock.live.setChecked(False)
    return dock
