"""One small virtual slide, made once for all tests of this room."""

from __future__ import annotations

import pytest

from napari_haiku.simulation.patient import VirtualSlide, simulate_patient


@pytest.fixture(scope="session")
def field_um() -> tuple[float, float]:
    """Width and height of the small slide."""
    return (240.0, 200.0)


@pytest.fixture(scope="session")
def slide(field_um: tuple[float, float]) -> VirtualSlide:
    """Patient 5 of seed 2."""
    return simulate_patient(2, 5, field_um=field_um)
