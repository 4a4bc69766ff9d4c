"""OME-TIFF whose bytes depend on the pixels alone."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile

from napari_haiku.simulation.writing import he_file, mif_file


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    he = np.repeat(np.repeat(rng.integers(0, 255, (80, 70, 3), np.uint8), 8, 0), 8, 1)
    mif = rng.integers(0, 255, (3, 520, 600), np.uint8)
    return he, mif


def test_he_is_a_named_pyramid_with_a_pixel_size(pictures) -> None:
    he, _ = pictures
    with tifffile.TiffFile(io.BytesIO(he_file(he, 0.5))) as file:
        assert file.is_ome
        assert 'PhysicalSizeX="0.5"' in file.ome_metadata
        series = file.series[0]
        assert [level.shape for level in series.levels] == [(640, 560, 3), (320, 280, 3)]
        assert file.pages[0].is_tiled
        assert np.abs(series.asarray().astype(int) - he).mean() < 12


def test_mif_is_lossless_and_names_its_channels(pictures) -> None:
    _, mif = pictures
    names = ("CD8", "HLA-DR", "a<b&c")
    with tifffile.TiffFile(io.BytesIO(mif_file(mif, names, 1.0))) as file:
        described = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]["Channel"]
        assert tuple(channel["Name"] for channel in described) == names
        series = file.series[0]
        assert series.axes == "CYX"
        assert np.array_equal(series.asarray(), mif)
        assert series.levels[1].shape == (3, 260, 300)
        coarse = series.levels[1].asarray()
    block = mif[:, :520, :600].reshape(3, 260, 2, 300, 2).astype(float).mean((2, 4))
    assert np.abs(coarse - block).max() <= 0.5


def test_same_pixels_same_bytes_and_no_time_or_chance_in_them(pictures) -> None:
    he, mif = pictures
    assert he_file(he, 0.5) == he_file(he.copy(), 0.5)
    data = mif_file(mif, ("a", "b", "c"), 1.0)
    assert data == mif_file(mif.copy(), ("a", "b", "c"), 1.0)
    assert b"UUID" not in data
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert "DateTime" not in file.pages[0].tags


def test_a_small_picture_has_one_level() -> None:
    with tifffile.TiffFile(io.BytesIO(he_file(np.zeros((90, 80, 3), np.uint8), 0.5))) as file:
        assert len(file.series[0].levels) == 1
