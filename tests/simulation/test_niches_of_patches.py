"""Majority niche of a box."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.simulation.architecture import plan_tissue
from napari_haiku.simulation.niches_of_patches import majority, niches_of_patches
from napari_haiku.simulation.record import draw_patient
from napari_haiku.simulation.vocabulary import GLASS, MARKERS

FIELD = (300.0, 200.0)


@pytest.fixture
def folder(tmp_path):
    """Return a folder that holds a cohort's settings."""
    settings = {"patients": 3, "seed": 4, "field_um": list(FIELD), "markers": list(MARKERS)}
    (tmp_path / "simulation.json").write_text(json.dumps(settings))
    return tmp_path


def test_majority_counts_tissue_and_leaves_glass_out() -> None:
    niche = np.full((4, 6), GLASS, np.uint8)
    niche[:2] = 2
    niche[:2, :1] = 5
    boxes = [(0, 0, 12, 4), (0, 0, 2, 4), (0, 4, 12, 8), (4, 0, 8, 8), (4, 2, 8, 8)]
    assert majority(niche, boxes).tolist() == [2, 5, -1, 2, -1]


def test_boxes_of_a_cohort_read_the_slides_own_plan(folder) -> None:
    niche = plan_tissue(draw_patient(4, 1), FIELD).niche
    boxes = np.array([(0, 0, 100, 100), (200, 100, 300, 200), (52, 40, 54, 42)])
    assert np.array_equal(niches_of_patches(folder, "slide_00001", boxes), majority(niche, boxes))


@pytest.mark.parametrize("slide", ["slide_00003", "other", "slide_x"])
def test_unknown_slides_are_named(folder, slide: str) -> None:
    with pytest.raises(HaikuError, match=slide):
        niches_of_patches(folder, slide, [(0, 0, 100, 100)])


def test_a_folder_without_settings_is_refused(tmp_path) -> None:
    with pytest.raises(HaikuError, match=r"simulation\.json"):
        niches_of_patches(tmp_path, "slide_00000", [(0, 0, 100, 100)])
