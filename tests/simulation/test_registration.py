"""Registration error: where a bright spot ends up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_haiku.simulation.difficulty import STANDARD
from napari_haiku.simulation.record import draw_patient
from napari_haiku.simulation.registration import misregister, registration_error


def _spot(row: int, column: int) -> np.ndarray:
    picture = np.zeros((2, 101, 141), np.uint8)
    picture[:, row - 2 : row + 3, column - 2 : column + 3] = 200
    return picture


def _centre(channel: np.ndarray) -> tuple[float, float]:
    rows, columns = np.indices(channel.shape)
    light = channel.astype(float)
    return float((rows * light).sum() / light.sum()), float((columns * light).sum() / light.sum())


@settings(max_examples=15)
@given(st.integers(0, 1000), st.floats(0.5, 10), st.sampled_from([0.5, 1.0, 2.0]))
def test_a_spot_moves_by_the_shift(index: int, shift_um: float, pixel_um: float) -> None:
    patient = draw_patient(1, index, difficulty=replace(STANDARD, shift_um=shift_um))
    (down, across), shear = registration_error(patient)
    assert np.hypot(down, across) <= shift_um
    assert shear == (0, 0)
    moved = misregister(_spot(50, 70), patient, pixel_um)
    assert np.array_equal(moved[0], moved[1])
    there = _centre(moved[0])
    assert there == pytest.approx((50 + down / pixel_um, 70 + across / pixel_um), abs=0.1)


def test_shear_moves_the_rim_and_not_the_centre() -> None:
    patient = draw_patient(1, 3, difficulty=replace(STANDARD, shear=0.02))
    _, (lean_down, _) = registration_error(patient)
    assert 0 < abs(lean_down) <= 0.02
    assert _centre(misregister(_spot(50, 70), patient, 1.0)[0]) == pytest.approx((50, 70), abs=0.1)
    row, column = _centre(misregister(_spot(50, 130), patient, 1.0)[0])
    assert row - 50 == pytest.approx(-60 * lean_down, abs=0.15)
    assert column == pytest.approx(130, abs=0.15)


def test_slides_differ_and_a_slide_has_one_error() -> None:
    difficulty = replace(STANDARD, shift_um=10.0, shear=0.01)
    errors = [registration_error(draw_patient(1, i, difficulty=difficulty)) for i in range(20)]
    assert len(set(errors)) == 20
    assert errors[4] == registration_error(draw_patient(1, 4, difficulty=difficulty))


def test_without_error_the_picture_is_the_same_object() -> None:
    picture = _spot(20, 30)
    assert misregister(picture, draw_patient(1, 1), 1.0) is picture
