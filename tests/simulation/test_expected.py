"""What patches would show if only cell types and positions were known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_haiku.simulation.difficulty import STANDARD
from napari_haiku.simulation.expected import _brightness, expected_image, expected_patch_means
from napari_haiku.simulation.fluorescence import expected_brightness
from napari_haiku.simulation.patient import simulate_patient
from napari_haiku.simulation.truth_tissue import patch_boxes, patch_means
from napari_haiku.simulation.vocabulary import MARKERS, marker_index

FIELD = (300.0, 200.0)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """Return one slide's expected image."""
    return expected_image(4, 1, FIELD, STANDARD)


def test_boxes_are_averaged_as_the_image_says(image: np.ndarray, tmp_path) -> None:
    settings = {"patients": 2, "seed": 4, "field_um": list(FIELD), "markers": list(MARKERS)}
    (tmp_path / "simulation.json").write_text(json.dumps(settings))
    boxes = [(0, 0, 100, 100), (200, 100, 300, 200), (17, 30, 90, 41)]
    found = expected_patch_means(tmp_path, "slide_00001", boxes)
    assert found.shape == (3, len(MARKERS))
    assert found.dtype == np.float32
    for row, (left, top, right, bottom) in zip(found, boxes, strict=True):
        assert np.allclose(row, image[:, top:bottom, left:right].mean((1, 2)), rtol=1e-4, atol=1e-3)


def test_what_types_decide_is_expected_right_and_what_they_leave_open_is_not(
    image: np.ndarray,
) -> None:
    measured = patch_means(simulate_patient(4, 1, field_um=FIELD).mif, 1.0)
    expected = patch_means(image, 1.0)
    assert len(patch_boxes(FIELD)) == measured.shape[1]
    for marker in ("DAPI", "CD3e", "CD68"):
        number = marker_index(marker)
        assert np.corrcoef(measured[number], expected[number])[0, 1] > 0.8
        assert 0.6 < expected[number].mean() / measured[number].mean() < 1.6


def test_expectation_knows_no_state_of_the_single_cell(image: np.ndarray) -> None:
    # A state's marker is spread over all cells that could be in the state.
    measured = simulate_patient(4, 1, field_um=FIELD).mif[marker_index("Ki67")]
    expected = image[marker_index("Ki67")]
    assert expected.max() < measured.max()
    assert np.mean(expected > 2) > np.mean(measured > 2)


@pytest.mark.parametrize("marker", MARKERS)
def test_brightness_looked_up_is_brightness_worked_out(marker: str) -> None:
    light = np.r_[np.linspace(0, 4, 10_001), 40.0].astype(np.float32)
    assert np.abs(_brightness(light, marker) - expected_brightness(light, marker)).max() < 0.05
