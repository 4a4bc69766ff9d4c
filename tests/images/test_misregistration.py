from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

from napari_haiku.images.from_layer import image_from_array
from napari_haiku.images.misregistration import measure_misregistration
from napari_haiku.images.reading import open_image

if TYPE_CHECKING:
    from napari_haiku.images.slide_image import SlideImage


def nuclei(side: int, seed: int = 0) -> np.ndarray:
    """Dots of the size of nuclei, 1 in their middle."""
    rng = np.random.default_rng(seed)
    dots = np.zeros((side, side))
    dots[tuple(rng.integers(0, side, (2, side * side // 150)))] = 1
    blurred = ndimage.gaussian_filter(dots, 2.0)
    return np.clip(blurred / blurred.max() * 1.6, 0, 1)


def pair(mif_at: tuple[float, float], name: str = "DAPI") -> tuple[SlideImage, SlideImage]:
    """An H&E of 2 um and an mIF of 4 um pixels of the same cells."""
    cells = nuclei(800)
    eosin, blue = np.array([225.0, 170, 205]), np.array([90.0, 60, 150])
    he = eosin + (blue - eosin) * cells[..., None]
    dapi = cells.reshape(400, 2, 400, 2).mean(axis=(1, 3)) * 200
    other = np.random.default_rng(1).random((400, 400)) * 50
    fixed = image_from_array(he.astype(np.uint8), rgb=True, scale_um=2.0)
    moving = image_from_array(
        np.stack([other, dapi]).astype(np.uint8),
        rgb=False,
        scale_um=4.0,
        translate=(mif_at[1], mif_at[0]),
        channel_names=["CD3e", name],
    )
    return fixed, moving


@pytest.mark.parametrize("moved", [(0.0, 0.0), (24.0, -37.0)])
def test_a_known_shift_is_measured_at_different_pixel_sizes(moved: tuple[float, float]) -> None:
    found = measure_misregistration(*pair(moved))
    assert found.shift_um == pytest.approx((-moved[0], -moved[1]), abs=1.0)
    assert found.spread_um is not None
    assert found.spread_um < 2
    assert found.blocks >= 3
    assert "um from the H&E" in found.sentence()


def test_tissue_that_does_not_match_gives_no_shift() -> None:
    he, _ = pair((0, 0))
    noise = np.random.default_rng(3).integers(0, 255, (1, 400, 400), dtype=np.uint8)
    mif = image_from_array(noise, rgb=False, scale_um=4.0, channel_names=["DAPI"])
    found = measure_misregistration(he, mif)
    assert (found.shift_um, found.distance_um) == (None, None)
    assert "too few blocks" in found.sentence()


def test_without_a_nuclear_channel_nothing_is_claimed() -> None:
    found = measure_misregistration(*pair((0, 0), "CD8"))
    assert found.to_json()["shift_um"] is None
    assert "no nuclear channel" in found.note


@pytest.mark.real_data
def test_the_real_pair_lies_within_a_pixel_and_a_shift_of_it_is_found(real_data: Path) -> None:
    folder = real_data / "orion_crc01"
    he = open_image(folder / "crc01_x4_y7_he.ome.tif")
    mif = open_image(folder / "crc01_x4_y7_mif18.ome.tif")
    straight = measure_misregistration(he, mif)
    assert straight.distance_um is not None
    assert straight.distance_um < 1.3
    x, y = mif.origin_um
    moved = measure_misregistration(he, mif.changed(origin_um=(x + 15, y - 8)))
    assert moved.shift_um is not None
    assert np.subtract(moved.shift_um, straight.shift_um) == pytest.approx((-15, 8), abs=0.7)
