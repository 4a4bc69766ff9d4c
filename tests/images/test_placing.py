from __future__ import annotations

import pickle

import numpy as np
import pytest
from image_files import slide

from napari_haiku.images.affine import Affine
from napari_haiku.images.from_layer import image_from_array
from napari_haiku.images.grid import make_grid
from napari_haiku.images.patches import read_patches
from napari_haiku.images.placing import placed
from napari_haiku.images.tissue import TissueMask

QUARTER = [[0, -1, 100.0], [1, 0, 0]]


def smooth(rows: int = 120, columns: int = 160) -> np.ndarray:
    """An intensity that is a plane in x and y, so that resampling it is exact."""
    y, x = np.mgrid[:rows, :columns]
    return np.stack([x + 2.0 * y, 500.0 - x]).astype(np.float32)


def test_a_shift_and_a_scale_touch_no_pixel() -> None:
    image = slide("mif", pixel_size_um=2.0, origin_um=(10.0, 20.0))
    moved = placed(image, Affine.of([[0.5, 0, 3], [0, 0.5, 4]]))
    assert moved.levels is image.levels
    assert (moved.pixel_size_um, moved.origin_um) == (1.0, (8.0, 14.0))
    assert moved.affine_um == (0.5, 0, 3, 0, 0.5, 4)


def test_a_quarter_turn_puts_every_pixel_in_its_place() -> None:
    image = slide("mif", (40, 60), 1.0, origin_um=(5.0, 7.0))
    moved = placed(image, Affine.of(QUARTER))
    assert moved.extent_um == pytest.approx((100 - 47, 5, 100 - 7, 65))
    assert moved.levels[0].shape == (2, 60, 40)
    expected = np.rot90(image.levels[0].compute(), -1, axes=(1, 2))
    assert (moved.levels[0].compute() == expected).all()
    assert (pickle.loads(pickle.dumps(moved.levels[0])).compute() == expected).all()  # noqa: S301


def test_a_turned_he_shows_glass_where_it_has_nothing() -> None:
    pixels = np.full((60, 60, 3), 100, np.uint8)
    he = image_from_array(pixels, rgb=True, scale_um=1.0)
    turned = placed(he, Affine.of([[0.8, -0.6, 0], [0.6, 0.8, 0]]))
    seen = turned.levels[0].compute()
    assert seen.shape == (84, 84, 3)
    assert (seen[0, 0] == 255).all()
    assert (seen[42, 42] == 100).all()


@pytest.mark.parametrize("level", [0, 1])
def test_any_affine_reads_what_lies_there(level: int) -> None:
    stored = smooth()
    halves = stored.reshape(2, 60, 2, 80, 2).mean(axis=(2, 4))
    image = image_from_array(
        [stored, halves], rgb=False, scale_um=0.5, translate=(4.0, 3.0), channel_names=["A", "B"]
    )
    affine = Affine.of([[0.9, -0.5, 40], [0.4, 1.1, 10]])
    moved = placed(image, affine)
    size = moved.level_pixel_size_um(level)
    point = affine.apply([(3.0 + 40.0, 4.0 + 30.0)])[0]
    column, row = np.floor((point - moved.origin_um) / size).astype(int)
    seen = moved.read_region(level, row, row + 1, column, column + 1)[:, 0, 0]
    centre = np.array(moved.origin_um) + (np.array([column, row]) + 0.5) * size
    x, y = (affine.inverse().apply([centre])[0] - (3.0, 4.0)) / 0.5 - 0.5
    assert seen == pytest.approx([x + 2 * y, 500 - x], abs=0.6)


def test_patches_lie_only_where_the_turned_image_has_pixels() -> None:
    he = slide("he", (200, 200), 1.0)
    mif = placed(slide("mif", (120, 120), 1.0), Affine.of([[0.8, -0.6, 100], [0.6, 0.8, 10]]))
    mask = TissueMask(np.ones((25, 25), bool), 8.0, (0.0, 0.0), 0.1)
    grid = make_grid(he, mif, patch_um=20, stride_um=20, min_tissue=0.0, mask=mask)
    assert 0 < len(grid) < grid.shape[0] * grid.shape[1]
    corners = grid.corners_um[:, None] + np.array([(0, 0), (20, 0), (0, 20), (20, 20)])
    back = Affine.of([[0.8, -0.6, 100], [0.6, 0.8, 10]]).inverse().apply(corners.reshape(-1, 2))
    assert back.min() >= -1
    assert back.max() <= 121
    patches, _ = read_patches(mif, grid, range(len(grid)))
    assert (patches[:, 1] > 0).all()
