from __future__ import annotations

import threading

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import slide

from napari_haiku.images.grid import PatchGrid, make_grid
from napari_haiku.images.patches import PatchSource, read_patches
from napari_haiku.images.slide_image import SlideImage
from napari_haiku.images.tissue import TissueMask

EVERYWHERE = TissueMask(np.ones((4, 4), bool), 10_000.0, (-20_000.0, -20_000.0), 0.0)


def grid_of(he: SlideImage | None, mif: SlideImage | None = None, **options: float) -> PatchGrid:
    return make_grid(he, mif, mask=EVERYWHERE, **options)


def test_pixels_of_a_patch_are_those_of_its_half_open_square() -> None:
    image = slide(shape=(60, 90))
    source = PatchSource(image, grid_of(image, patch_um=20.0, stride_um=20.0), 1.0)
    patches = source.read(0, len(source))
    assert patches.shape == (12, 20, 20, 3)
    assert patches[0, 0, 0, 0] == 0
    assert patches[5, 0, 0].tolist() == [20020] * 3
    assert patches[5, -1, -1, 0] == 39039
    assert (source.side, source.pixel_size_um, source.level) == (20, 1.0, 0)


def test_both_images_show_the_same_place() -> None:
    he = slide("he", (400, 400), 0.5, (10.0, 20.0))
    mif = slide("mif", (200, 200), 1.0, (0.0, 0.0))
    grid = grid_of(he, mif, patch_um=20.0, stride_um=30.0)
    from_he, from_mif = PatchSource(he, grid, 0.5), PatchSource(mif, grid, 1.0)
    assert (from_he.side, from_mif.side) == (40, 20)
    x, y = (from_he.starts_px * 0.5 + [10.0, 20.0]).T
    assert np.allclose(from_mif.starts_px, np.stack([x, y], 1))
    assert from_mif.read(0, 1)[0, 1, 0, 0] == 10**6 + 20 * 1000 + 10


def test_the_level_follows_the_wanted_pixel_size() -> None:
    image = slide(shape=(160, 160), pixel_size_um=0.5, levels=3)
    grid = grid_of(image, patch_um=20.0, stride_um=20.0)
    source = PatchSource(image, grid, 1.0)
    assert (source.level, source.pixel_size_um, source.side) == (1, 1.0, 20)
    assert source.read(1, 2)[0, 0, 0, 0] == 40
    assert PatchSource(image, grid, 0.2).level == 0


def test_a_patch_that_rounding_pushes_over_the_edge_stays_inside() -> None:
    image = slide(shape=(77, 154), pixel_size_um=1.295)
    source = PatchSource(image, grid_of(image), 1.295)
    assert source.read(0, len(source)).shape[1:3] == (77, 77)
    assert (source.starts_px[:, 0] + source.side <= 154).all()


def test_any_order_and_repeats() -> None:
    image = slide("mif", (100, 100))
    grid = grid_of(None, image, patch_um=20.0, stride_um=20.0)
    source = PatchSource(image, grid, 1.0)
    everything = source.read(0, len(source))
    chosen = [24, 3, 3, 0, 17]
    assert (source.take(chosen) == everything[chosen]).all()
    patches, size = read_patches(image, grid, chosen)
    assert (patches == everything[chosen]).all()
    assert size == 1.0


def test_reading_nothing_gives_nothing() -> None:
    image = slide("mif", (100, 100))
    source = PatchSource(image, grid_of(None, image, patch_um=20.0), 1.0)
    assert source.read(3, 3).shape == (0, 2, 20, 20)


def test_a_stop_beyond_the_end_is_the_end() -> None:
    image = slide(shape=(100, 100))
    source = PatchSource(image, grid_of(image, patch_um=20.0, stride_um=20.0), 1.0)
    assert len(source.read(20, 999)) == 5


class Counted:
    """An array that counts how often each of its blocks is read."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels, self.shape, self.dtype, self.ndim = pixels, pixels.shape, pixels.dtype, 3
        self.reads: dict[str, int] = {}
        self._lock = threading.Lock()

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        part = self.pixels[key]
        if part.size:
            with self._lock:
                self.reads[str(key)] = self.reads.get(str(key), 0) + 1
        return part


@pytest.mark.parametrize("modality", ["he", "mif"])
@pytest.mark.parametrize("batch", [1, 7, 64])
def test_every_block_is_decoded_once(modality: str, batch: int) -> None:
    plain = slide(modality, (256, 320))
    counted = Counted(plain.levels[0].compute())
    chunks = (64, 64, 3) if modality == "he" else (1, 64, 64)
    level = da.from_array(counted, chunks=chunks, name=False)
    image = SlideImage(
        "x", modality, (level,), 1.0, markers=plain.markers, channel_names=plain.channel_names
    )
    grid = grid_of(image, patch_um=20.0, stride_um=20.0)
    source = PatchSource(image, grid, 1.0)
    for start in range(0, len(source), batch):
        source.read(start, start + batch)
    assert set(counted.reads.values()) == {1}
    assert len(counted.reads) == (20 if modality == "he" else 40)


def test_a_small_cache_changes_the_reads_but_not_the_pixels() -> None:
    image = slide("mif", (128, 256))
    grid = grid_of(None, image, patch_um=20.0, stride_um=20.0)
    expected = PatchSource(image, grid, 1.0).read(0, len(grid))
    tight = PatchSource(image, grid, 1.0, cache_bytes=1)
    assert (tight.read(0, len(grid)) == expected).all()


def test_missing_values_are_handed_on() -> None:
    pixels = np.ones((1, 40, 40), np.float32)
    pixels[0, 25, 25] = np.nan
    image = SlideImage("x", "mif", (da.from_array(pixels),), 1.0, markers=("CD3e",))
    source = PatchSource(image, grid_of(None, image, patch_um=20.0, stride_um=20.0), 1.0)
    missing = np.isnan(source.read(0, 4)).any(axis=(1, 2, 3))
    assert missing.tolist() == [False, False, False, True]


@settings(max_examples=25)
@given(
    st.integers(40, 150),
    st.integers(40, 150),
    st.sampled_from([0.5, 0.65, 1.0, 1.3]),
    st.floats(-900, 900),
    st.integers(7, 60),
    st.integers(1, 3),
)
def test_patches_hold_the_pixels_of_their_place(
    rows: int, columns: int, size: float, origin: float, chunk: int, levels: int
) -> None:
    image = slide("he", (rows, columns), size, (origin, -origin), levels=levels, chunk=chunk)
    grid = grid_of(image, patch_um=20.0, stride_um=13.0)
    source = PatchSource(image, grid, size * 2.0)
    whole = image.levels[source.level].compute()
    patches = source.read(0, len(source))
    for patch, (x, y), corner in zip(patches, source.starts_px, grid.corners_um, strict=True):
        assert (patch == whole[y : y + source.side, x : x + source.side]).all()
        drift = np.array([x, y]) * source.pixel_size_um + [origin, -origin] - corner
        # One pixel where the edge holds the last patch back, else half a pixel.
        assert np.abs(drift).max() <= source.pixel_size_um * 1.01 + 1e-6
