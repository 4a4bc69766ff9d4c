from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.errors import HaikuError
from napari_haiku.images.grid import make_grid
from napari_haiku.images.reading import open_image
from napari_haiku.images.slide_image import SlideImage
from napari_haiku.images.tissue import TissueMask, require_tissue, tissue_mask

GLASS = (243, 241, 244)
EOSIN = (225, 170, 205)
PALE = (228, 222, 232)
NUCLEI = (120, 90, 160)


def he_slide(pixels: np.ndarray, size: float = 8.0) -> SlideImage:
    noise = np.random.default_rng(0).normal(0, 1.5, pixels.shape)
    noisy = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    return SlideImage("he", "he", (da.from_array(noisy),), size)


def painted(colour: tuple[int, int, int], columns: slice = slice(0, 50)) -> np.ndarray:
    pixels = np.empty((100, 100, 3))
    pixels[:] = GLASS
    pixels[:, columns] = colour
    return pixels


@pytest.mark.parametrize("colour", [EOSIN, PALE, NUCLEI, (200, 40, 60)])
def test_stained_halves_are_found_faint_ones_too(colour: tuple[int, int, int]) -> None:
    mask = tissue_mask(he_slide(painted(colour))).mask
    assert mask[:, 3:47].mean() > 0.99
    assert mask[:, 53:].mean() < 0.01


@pytest.mark.parametrize("glass", [GLASS, (255, 255, 255), (225, 222, 220), (240, 236, 228)])
def test_bare_glass_holds_no_tissue(glass: tuple[int, int, int]) -> None:
    pixels = np.empty((100, 100, 3))
    pixels[:] = glass
    mask = tissue_mask(he_slide(pixels))
    assert mask.mask.mean() == 0
    with pytest.raises(HaikuError, match="No tissue was found on he"):
        require_tissue(mask, "he")


def test_uneven_light_is_no_tissue() -> None:
    pixels = painted(GLASS) * np.linspace(1.0, 0.85, 100)[:, None, None]
    assert tissue_mask(he_slide(pixels)).mask.mean() < 0.01


def test_tissue_without_any_glass_is_all_tissue() -> None:
    rng = np.random.default_rng(1)
    pixels = np.empty((100, 100, 3))
    pixels[:] = PALE
    pixels[rng.random((100, 100)) < 0.3] = NUCLEI
    pixels[rng.random((100, 100)) < 0.3] = EOSIN
    assert tissue_mask(he_slide(pixels)).mask.mean() > 0.99


def test_black_borders_are_no_tissue() -> None:
    pixels = painted(EOSIN)
    pixels[:20] = 0
    mask = tissue_mask(he_slide(pixels)).mask
    assert mask[:19].mean() < 0.05
    assert mask[25:, :45].mean() > 0.99


@pytest.mark.parametrize("ink", [(30, 60, 170), (40, 140, 60), (45, 45, 50)])
def test_pen_is_no_tissue(ink: tuple[int, int, int]) -> None:
    pixels = painted(EOSIN)
    pixels[:, 70:90] = ink
    mask = tissue_mask(he_slide(pixels)).mask
    assert mask[:, 73:87].mean() < 0.05
    assert mask[:, 3:47].mean() > 0.99


def test_specks_go_and_pinholes_close() -> None:
    pixels = painted(EOSIN)
    pixels[50, 80] = NUCLEI
    pixels[20, 20] = GLASS
    mask = tissue_mask(he_slide(pixels)).mask
    assert not mask[:, 60:].any()
    assert mask[20, 20]


def test_fine_levels_are_averaged_to_the_wanted_size() -> None:
    pixels = np.kron(painted(EOSIN)[:, :], np.ones((4, 4, 1)))[:398, :397]
    mask = tissue_mask(he_slide(pixels, 2.0))
    assert (mask.pixel_size_um, mask.mask.shape) == (8.0, (100, 100))
    assert mask.mask[:, 3:47].mean() > 0.99
    assert mask.mask[:, 53:].mean() < 0.01


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("background", [0, 10])
def test_the_lit_half_of_an_mif_is_tissue(dtype: type, background: int) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.poisson(background, (5, 100, 100)).astype(float)
    pixels[:, :, :50] += rng.gamma(2.0, 30.0, (5, 100, 50))
    pixels[2, :, :50] *= rng.random((100, 50)) < 0.1
    image = SlideImage("m", "mif", (da.from_array(np.clip(pixels, 0, 255).astype(dtype)),), 8.0)
    mask = tissue_mask(image).mask
    assert mask[:, 4:46].mean() > 0.98
    assert mask[:, 54:].mean() < 0.02


def test_a_dark_mif_holds_no_tissue_and_nan_does_not_matter() -> None:
    dark = SlideImage("m", "mif", (da.zeros((3, 50, 50), dtype="f4"),), 8.0)
    assert not tissue_mask(dark).mask.any()
    pixels = np.full((1, 50, 50), np.nan, np.float32)
    assert not tissue_mask(SlideImage("m", "mif", (da.from_array(pixels),), 8.0)).mask.any()


def test_folds_are_tissue_whatever_their_density() -> None:
    pixels = painted(EOSIN)
    # Two and three layers of the same section.
    for layers, rows in ((2, slice(20, 30)), (4, slice(60, 70))):
        pixels[rows, :50] = np.array(GLASS) * (np.array(EOSIN) / GLASS) ** layers
    mask = tissue_mask(he_slide(pixels)).mask
    assert mask[:, 3:47].mean() > 0.99
    assert mask[:, 53:].mean() < 0.01


@pytest.mark.parametrize("signal", [1.0, 1.5, 4.0])
def test_dark_fluorescence_is_found(signal: float) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.poisson(0.3, (8, 100, 100)).astype(float)
    pixels[:, :, :50] += rng.poisson(signal, (8, 100, 50))
    image = SlideImage("m", "mif", (da.from_array(pixels.astype(np.uint16)),), 8.0)
    mask = tissue_mask(image).mask
    assert mask[:, 4:46].mean() > 0.95
    assert mask[:, 54:].mean() < 0.05


@pytest.mark.parametrize("mean", [0.5, 2.0, 300.0])
def test_grainy_tissue_without_glass_is_not_parted_in_two(mean: float) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.poisson(rng.gamma(2.0, mean / 2, (4, 100, 100))).astype(np.uint16)
    assert tissue_mask(SlideImage("m", "mif", (da.from_array(pixels),), 8.0)).mask.mean() > 0.95


def test_a_given_threshold_is_used_and_told() -> None:
    slide = he_slide(painted(PALE))
    found = tissue_mask(slide)
    assert found.describe()["chosen"] == "found"
    strict = tissue_mask(slide, threshold=found.threshold * 3)
    assert strict.threshold == found.threshold * 3
    assert strict.mask.sum() < found.mask.sum()
    assert tissue_mask(slide, threshold=found.threshold).mask.tolist() == found.mask.tolist()
    lit = np.zeros((1, 100, 100), np.uint8)
    lit[0, :, :50] = 100
    mif = SlideImage("m", "mif", (da.from_array(lit),), 8.0)
    again = tissue_mask(mif, threshold=tissue_mask(mif).threshold)
    assert again.mask.tolist() == tissue_mask(mif).mask.tolist()
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(HaikuError, match="not possible"):
            tissue_mask(slide, threshold=bad)


def test_an_unknown_pixel_size_is_refused() -> None:
    with pytest.raises(HaikuError, match="--pixel-size"):
        tissue_mask(SlideImage("he", "he", (da.zeros((9, 9, 3), dtype="u1"),)))


HALF = TissueMask(np.repeat([[True, False]], 10, 0).repeat(5, 1), 10.0, (100.0, 200.0), 0.1)


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ((100, 200, 150, 300), 1.0),
        ((150, 200, 200, 300), 0.0),
        ((125, 200, 175, 300), 0.5),
        ((140, 213, 160, 217), 0.5),
        ((0, 0, 90, 90), 0.0),
        ((50, 200, 150, 300), 0.5),
        ((145, 200, 155, 210), 0.5),
    ],
)
def test_the_share_of_tissue_in_a_rectangle(box: tuple[float, ...], share: float) -> None:
    assert HALF.fraction(*box) == pytest.approx(share)


def test_area_is_in_square_millimetres() -> None:
    assert HALF.area_mm2 == pytest.approx(0.005)


@given(st.lists(st.tuples(*[st.floats(0, 400)] * 4), min_size=1, max_size=8))
def test_shares_lie_between_none_and_all(corners: list[tuple[float, ...]]) -> None:
    boxes = np.array([[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d in corners])
    shares = HALF.fractions(boxes)
    assert shares.shape == (len(corners),)
    assert ((shares >= 0) & (shares <= 1)).all()
    for box, share in zip(boxes, shares, strict=True):
        x0, y0, x1, y1 = box
        width = max(min(x1, 150) - max(x0, 100), 0) * max(min(y1, 300) - max(y0, 200), 0)
        area = (x1 - x0) * (y1 - y0)
        if area > 1e-6:
            assert share == pytest.approx(width / area, abs=1e-6)


@pytest.mark.real_data
def test_the_real_slide_is_measured_right(real_data: Path) -> None:
    he = open_image(real_data / "orion_crc01" / "crc01_west_he.ome.tif")
    mask = tissue_mask(he)
    assert mask.area_mm2 == pytest.approx(37.5, rel=0.04)
    x0, y0, _, _ = he.extent_um
    # The round hole in the tumour, the glass at the lower left, the muscle, the mucus.
    assert mask.fraction(x0 + 1050, y0 + 1250, x0 + 1550, y0 + 1900) < 0.02
    assert mask.fraction(x0, y0 + 5900, x0 + 400, y0 + 6600) < 0.02
    assert mask.fraction(x0 + 450, y0 + 200, x0 + 700, y0 + 700) > 0.98
    assert mask.fraction(x0 + 3000, y0 + 4200, x0 + 3600, y0 + 4600) > 0.95


@pytest.mark.real_data
def test_tiles_full_of_real_tissue_are_tissue(real_data: Path) -> None:
    tiles = sorted((real_data / "orion_he_topic_tiles").rglob("*.tif"))
    assert len(tiles) == 10
    for tile in tiles:
        assert tissue_mask(open_image(tile, pixel_size_um=0.65)).mask.mean() > 0.85, tile.name


@pytest.mark.real_data
def test_patches_of_the_real_pair_leave_glass_out(real_data: Path) -> None:
    folder = real_data / "orion_crc01"
    he = open_image(folder / "crc01_west_he.ome.tif")
    mif = open_image(folder / "crc01_west_mif18.ome.tif")
    grid = make_grid(he, mif)
    assert grid.shape == (66, 66)
    assert 3700 < len(grid) < 4000
    assert grid.tissue_fraction.min() >= 0.5
    assert grid.centres_um[0].tolist() == pytest.approx([4043.6, 4043.6])


@pytest.mark.parametrize("step", [1, 2])
def test_strips_of_any_height_give_the_same_mask(
    monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    pixels = painted(EOSIN, slice(10, 60))
    pixels[70:, :5] = (5, 5, 5)
    image = he_slide(pixels, 8.0 / step)
    whole = tissue_mask(image)
    monkeypatch.setattr("napari_haiku.images.tissue_stain._STRIP", 7)
    monkeypatch.setattr("napari_haiku.images.tissue._STRIP", 9)
    piecewise = tissue_mask(image)
    np.testing.assert_array_equal(piecewise.mask, whole.mask)
    assert piecewise.threshold == whole.threshold
    assert whole.mask.any()


@pytest.mark.parametrize("together", [1, 3])
def test_channels_stored_apart_or_together_give_the_same_mask(together: int) -> None:
    pixels = np.random.default_rng(3).poisson(20, (3, 90, 90)).astype(np.uint16)
    pixels[:, 30:60, 20:70] += 3000
    masks = [
        tissue_mask(
            SlideImage("mif", "mif", (da.from_array(pixels, chunks=(depth, 40, 90)),), 8.0)
        ).mask
        for depth in (3, together)
    ]
    np.testing.assert_array_equal(*masks)
    assert 0.1 < masks[0].mean() < 0.3


def test_the_overview_of_a_giant_is_averaged_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_haiku.images.tissue.MOST_PIXELS", 3000)
    mask = tissue_mask(he_slide(painted(EOSIN)))
    assert mask.pixel_size_um == 16.0
    assert mask.mask.shape == (50, 50)
    assert mask.mask[:, 2:23].all()
    assert mask.fraction(0, 0, 320, 800) > 0.95
