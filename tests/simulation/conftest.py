"""One small virtual slide, made once for all tests of this room."""

from __future__ import annotations

import pytest

from napari_haiku.simulation.patient import VirtualSlide, simulate_patient

FIELD_UM = (300.0, 240.0)


@pytest.fixture(scope="session")
def slide() -> VirtualSlide:
    """A slide of 300 x 240 um."""
    return simulate_patient(2, 5, field_um=FIELD_UM)
