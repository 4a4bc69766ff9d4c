from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import slide

from napari_haiku.errors import HaikuError
from napari_haiku.images.grid import PatchGrid, make_grid, overlap_um
from napari_haiku.images.tissue import TissueMask

if TYPE_CHECKING:
    from napari_haiku.images.slide_image import SlideImage

EVERYWHERE = TissueMask(np.ones((4, 4), bool), 10_000.0, (-20_000.0, -20_000.0), 0.0)


def grid_of(he: SlideImage | None, mif: SlideImage | None = None, **options: object) -> PatchGrid:
    return make_grid(he, mif, **{"mask": EVERYWHERE, **options})


def test_patches_tile_the_image_from_its_corner() -> None:
    grid = grid_of(slide(shape=(250, 430), origin_um=(1000.0, 500.0)))
    assert (grid.shape, len(grid)) == ((2, 4), 8)
    assert grid.origin_um == (1000.0, 500.0)
    assert grid.centres_um[:5].tolist() == [
        [1050.0, 550.0],
        [1150.0, 550.0],
        [1250.0, 550.0],
        [1350.0, 550.0],
        [1050.0, 650.0],
    ]
    assert (grid.rows[4], grid.cols[4]) == (1, 0)


def test_a_stride_smaller_than_the_patch_overlaps() -> None:
    grid = grid_of(slide(shape=(100, 200)), stride_um=50.0)
    assert grid.shape == (1, 3)
    assert grid.centres_um[:, 0].tolist() == [50.0, 100.0, 150.0]


def test_two_images_give_their_overlap_whatever_their_pixel_sizes() -> None:
    he = slide("he", (600, 800), 0.5, (0.0, 0.0))
    mif = slide("mif", (300, 300), 1.0, (150.0, 90.0))
    assert overlap_um(he, mif) == (150.0, 90.0, 400.0, 300.0)
    grid = grid_of(he, mif)
    assert (grid.origin_um, grid.shape) == ((150.0, 90.0), (2, 2))


def test_images_that_do_not_overlap_are_refused_by_name() -> None:
    he = slide("he", name="a.tif")
    mif = slide("mif", origin_um=(100.0, 0.0), name="b.tif")
    with pytest.raises(HaikuError, match=r"a\.tif and b\.tif do not overlap physically"):
        grid_of(he, mif)


def test_an_image_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(HaikuError, match="90 x 100 um is smaller than one patch of 100 um"):
        grid_of(slide(shape=(100, 90)))


def test_half_a_pixel_missing_does_not_cost_the_last_patch() -> None:
    assert len(grid_of(slide(shape=(77, 77), pixel_size_um=1.295))) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"patch_um": 0.0}, "patch size of 0 um is not possible"),
        ({"patch_um": float("nan")}, "not possible"),
        ({"stride_um": -1.0}, "stride of -1 um is not possible"),
        ({"patch_um": 3.0}, "fewer than 4 pixels of image"),
    ],
)
def test_impossible_patches_are_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(HaikuError, match=said):
        grid_of(slide(), **options)


def test_no_image_and_no_pixel_size_are_refused() -> None:
    with pytest.raises(HaikuError, match="There is no image"):
        grid_of(None)
    with pytest.raises(HaikuError, match="--pixel-size"):
        grid_of(slide(pixel_size_um=None))


def test_no_tissue_is_refused() -> None:
    empty = replace(EVERYWHERE, mask=np.zeros((4, 4), bool))
    with pytest.raises(HaikuError, match="No tissue was found on image"):
        grid_of(slide(), mask=empty)


def test_too_little_tissue_is_refused() -> None:
    mask = np.zeros((10, 10), bool)
    mask[0, 0] = True
    with pytest.raises(HaikuError, match="at least 50% tissue"):
        grid_of(slide(), mask=TissueMask(mask, 10.0, (0.0, 0.0), 0.0))


def test_patches_on_at_least_half_tissue_are_kept() -> None:
    mask = np.zeros((20, 40), bool)
    mask[:, :15] = True
    grid = grid_of(slide(shape=(200, 400)), mask=TissueMask(mask, 10.0, (0.0, 0.0), 0.0))
    assert sorted(zip(grid.rows.tolist(), grid.cols.tolist(), strict=True)) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]
    assert grid.tissue_fraction.tolist() == [1.0, 0.5, 1.0, 0.5]
    assert grid.shape == (2, 4)


def test_a_region_keeps_the_patches_with_their_centre_inside() -> None:
    grid = grid_of(slide(shape=(200, 400)))
    left, right = grid.within((0, 0, 250, 200)), grid.within((250, 0, 400, 200))
    assert (len(left), len(right)) == (4, 4)
    assert left.centres_um[:, 0].max() == 150.0
    assert right.centres_um[:, 0].min() == 250.0
    assert left.origin_um == grid.origin_um


def test_a_place_finds_its_patch() -> None:
    grid = grid_of(slide(shape=(200, 400), origin_um=(50.0, 0.0)))
    assert grid.at(55.0, 5.0) == 0
    assert grid.at(160.0, 105.0) == 5
    assert grid.at(49.0, 5.0) is None
    assert grid.keep(np.zeros(8, bool)).at(55.0, 5.0) is None


sizes = st.integers(20, 400)
pixel_sizes = st.sampled_from([0.25, 0.4990, 0.65, 1.0, 1.3])
offsets = st.floats(-5000, 5000, allow_nan=False)


@given(
    sizes, sizes, pixel_sizes, offsets, offsets, st.sampled_from([20.0, 50.0]), st.integers(5, 60)
)
def test_every_patch_lies_inside_and_none_is_missing(
    rows: int, columns: int, size: float, x: float, y: float, patch: float, stride: int
) -> None:
    image = slide(shape=(rows, columns), pixel_size_um=size, origin_um=(x, y))
    try:
        grid = grid_of(image, patch_um=patch, stride_um=float(stride))
    except HaikuError:
        assert min(rows, columns) * size < patch or patch < 4 * size
        return
    x0, y0, x1, y1 = image.extent_um
    slack = size * 0.51 + 1e-6
    assert (grid.corners_um >= np.array([x0, y0]) - 1e-6).all()
    assert (grid.corners_um + patch <= np.array([x1, y1]) + slack).all()
    assert np.allclose(grid.centres_um, grid.corners_um + patch / 2)
    assert len(grid) == grid.shape[0] * grid.shape[1]
    assert x0 + (grid.shape[1] * stride) + patch > x1
    assert y0 + (grid.shape[0] * stride) + patch > y1


@settings(max_examples=40)
@given(pixel_sizes, pixel_sizes, offsets, offsets, st.floats(-60, 60), st.floats(-60, 60))
def test_patches_of_a_pair_lie_inside_both(
    a: float, b: float, x: float, y: float, dx: float, dy: float
) -> None:
    he = slide("he", (300, 300), a, (x, y))
    mif = slide("mif", (300, 300), b, (x + dx, y + dy))
    try:
        grid = grid_of(he, mif, patch_um=20.0, stride_um=20.0)
    except HaikuError:
        return
    for image in (he, mif):
        x0, y0, x1, y1 = image.extent_um
        slack = max(a, b) * 0.51 + 1e-6
        assert (grid.corners_um >= np.array([x0, y0]) - 1e-6).all()
        assert (grid.corners_um + 20 <= np.array([x1, y1]) + slack).all()
