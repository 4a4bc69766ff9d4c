from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_haiku.images.tiff_segments import TiffSegments

if TYPE_CHECKING:
    from collections.abc import Iterator

RGB = np.random.default_rng(0).integers(0, 255, (150, 210, 3), dtype=np.uint8)
STACK = np.random.default_rng(1).integers(0, 60000, (3, 150, 210), dtype=np.uint16)
LAYOUTS = {
    "jpeg": (RGB, {"tile": (64, 64), "compression": "jpeg", "photometric": "rgb"}),
    "deflate": (RGB, {"tile": (64, 32), "compression": "zlib", "photometric": "rgb"}),
    "predicted": (STACK, {"tile": (64, 64), "compression": "zlib", "predictor": True}),
    "strips": (RGB, {"rowsperstrip": 32, "compression": "zlib", "photometric": "rgb"}),
    "plain": (STACK, {"tile": (48, 64), "byteorder": ">"}),
    "grey": (STACK[0], {"tile": (64, 64), "compression": "lzw"}),
}


@contextmanager
def opened(path: Path, pixels: np.ndarray) -> Iterator[tuple[TiffSegments, zarr.Array]]:
    with tifffile.TiffFile(path) as tiff:
        level = tiff.series[0].levels[0]
        segments = TiffSegments.of(tiff, level, pixels.dtype)
        assert segments is not None
        yield segments, zarr.open_array(level.aszarr(), mode="r")


@pytest.fixture(scope="module", params=LAYOUTS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    pixels, how = LAYOUTS[request.param]
    path = tmp_path_factory.mktemp("segments") / f"{request.param}.tif"
    tifffile.imwrite(path, pixels, **{"photometric": "minisblack", **how})
    with opened(path, pixels) as found:
        yield found


spans = st.tuples(st.integers(0, 210), st.integers(0, 210)).map(lambda ends: slice(*sorted(ends)))


@given(rows=spans, columns=spans)
@settings(max_examples=30, deadline=None)
def test_any_region_is_what_the_chunk_store_gives(both, rows: slice, columns: slice) -> None:
    segments, stored = both
    stacked = segments.shape == STACK.shape
    key = (slice(None), rows, columns) if stacked else (rows, columns)
    np.testing.assert_array_equal(segments[key], stored[key])


def test_numbers_lists_and_steps_select_as_numpy_does(both) -> None:
    segments, stored = both
    whole = np.asarray(stored[...])
    keys: list = [np.s_[5:9], np.s_[..., 0][1:], (slice(0, 40, 3), slice(7, 9))]
    if segments.shape == STACK.shape:
        keys = [1, np.s_[1, 4:90, 3:5], np.s_[[2, 0], 60:70, 60:70], np.s_[3:, :9, :9]]
    elif whole.ndim == 3:
        keys = [np.s_[5:9], np.s_[2:70, 3:9, 1], np.s_[2:70, 3:9, :2], np.s_[::50, :9]]
    else:
        keys = [np.s_[5:9], np.s_[::50, :9]]
    for key in keys:
        np.testing.assert_array_equal(segments[key], whole[key])


def test_every_other_pixel_is_read_from_what_holds_it(both, monkeypatch) -> None:
    segments, stored = both
    read = []
    plane = TiffSegments._plane
    monkeypatch.setattr(
        TiffSegments, "_plane", lambda self, *a: read.append(a[1:]) or plane(self, *a)
    )
    key = (slice(95, 63, -2), slice(100, 40, -3))
    key = (slice(None), *key) if segments.shape == STACK.shape else key
    np.testing.assert_array_equal(segments[key], np.asarray(stored[...])[key])
    assert set(read) == {((65, 96), (43, 101))}


def test_tiles_never_written_are_background(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    tiles = (np.full((64, 64), 7, np.uint16) if i % 3 != 1 else None for i in range(12))
    tifffile.imwrite(
        path, tiles, shape=(150, 210), dtype=np.uint16, tile=(64, 64), compression="zlib"
    )
    with opened(path, STACK[0]) as (segments, stored):
        np.testing.assert_array_equal(segments[20:150, 30:210], stored[20:150, 30:210])
        assert (segments[:64, 64:128] == 0).all()


@pytest.mark.parametrize("planar", ["separate", "volume"])
def test_other_layouts_are_left_to_the_chunk_store(tmp_path: Path, planar: str) -> None:
    path = tmp_path / "other.tif"
    if planar == "separate":
        tifffile.imwrite(
            path, np.moveaxis(RGB, -1, 0), tile=(64, 64), photometric="rgb", planarconfig="separate"
        )
    else:
        volume = np.zeros((32, 64, 64), np.uint8)
        tifffile.imwrite(path, volume, tile=(16, 32, 32), volumetric=True)
    with tifffile.TiffFile(path) as tiff:
        assert TiffSegments.of(tiff, tiff.series[0].levels[0], np.dtype(np.uint8)) is None
