"""Virtual tissue measures like the real slide of the specification, within stated bounds."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2hed

from napari_haiku.simulation.patient import simulate_patient
from napari_haiku.simulation.vocabulary import MARKERS

# Share of tissue pixels that are exactly zero on the real slide.
REAL_ZERO = {
    "DAPI": 0.60, "CD45": 0.74, "PanCK": 0.71, "ECad": 0.74, "aSMA": 0.86, "CD68": 0.90,
    "CD3e": 0.92, "Ki67": 0.93, "CD8": 0.94, "FoxP3": 0.98, "PD1": 0.98, "CD20": 0.97,
}  # fmt: skip


@pytest.fixture(scope="module")
def slides():
    return [simulate_patient(17, index, field_um=(300.0, 300.0)) for index in range(5)]


def _tissue(slide) -> np.ndarray:
    return slide.niche < 8


def test_colours_are_within_thirty_per_cent_of_the_real_slide(slides) -> None:
    pixels = np.concatenate([s.he[::4, ::4][_tissue(s)] for s in slides])
    for percentile, real in ((50, (170, 155, 185)), (5, (85, 70, 111)), (95, (224, 218, 236))):
        assert np.percentile(pixels, percentile, axis=0) == pytest.approx(real, rel=0.30)


def test_hematoxylin_is_within_thirty_per_cent_of_the_real_slide(slides) -> None:
    dye = np.concatenate([rgb2hed(s.he[::4, ::4])[..., 0][_tissue(s)] for s in slides])
    for percentile, real in ((50, 0.038), (75, 0.058), (95, 0.112)):
        assert np.percentile(dye, percentile) == pytest.approx(real, rel=0.35)


def test_most_of_each_channel_is_dark_as_on_the_real_slide(slides) -> None:
    for name, real in REAL_ZERO.items():
        share = np.mean(
            [(s.mif[MARKERS.index(name), ::2, ::2][_tissue(s)] == 0).mean() for s in slides]
        )
        assert share == pytest.approx(real, abs=0.20), name


def test_patches_hold_about_as_many_cells_as_real_ones(slides) -> None:
    area = sum(_tissue(s).sum() for s in slides) * 4e-6
    density = sum(len(s.cells) for s in slides) / area
    # 2,350 per mm2 were found on the real slide at 1.3 um per pixel, a lower bound.
    assert 2350 < density < 2350 * 2.6


def test_a_marker_hidden_from_he_exists(slides) -> None:
    dark, patches = [], []
    for s in slides:
        red = s.he[..., 0].reshape(5, 120, 5, 120).mean((1, 3))
        light = s.mif[MARKERS.index("PDL1")].reshape(5, 60, 5, 60).mean((1, 3))
        dapi = s.mif[MARKERS.index("DAPI")].reshape(5, 60, 5, 60).mean((1, 3))
        dark.append(red.ravel())
        patches.append((light.ravel(), dapi.ravel()))
    red = np.concatenate(dark)
    hidden, visible = (np.concatenate([p[k] for p in patches]) for k in (0, 1))
    assert abs(np.corrcoef(red, hidden)[0, 1]) < 0.4
    assert np.corrcoef(red, visible)[0, 1] < -0.5
