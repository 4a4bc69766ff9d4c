"""TIFF files that hold everything in one strip."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile
from image_files import mif_pixels, write_ome

from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image


def test_a_file_that_cannot_be_read_piecemeal_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_haiku.images.tiff_levels.LARGEST_BLOCK_BYTES", 1000)
    strip = {"tile": None, "rowsperstrip": 96, "compression": "zlib"}
    path = write_ome(tmp_path / "m.ome.tif", mif_pixels(2), **strip)
    with pytest.raises(HaikuError, match="save it as a tiled pyramid"):
        open_image(path)


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_a_giant_saved_as_one_plain_strip_is_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, byteorder: str
) -> None:
    monkeypatch.setattr("napari_haiku.images.tiff_levels.LARGEST_BLOCK_BYTES", 1000)
    pixels = mif_pixels(2)
    path = tmp_path / "giant.tif"
    tifffile.imwrite(
        path, pixels, photometric="minisblack", rowsperstrip=pixels.shape[1], byteorder=byteorder
    )
    image = open_image(path)
    assert max(max(axis) for axis in image.levels[0].chunks) <= 512
    assert (image.levels[0].compute() == pixels).all()
    tifffile.imwrite(
        path, pixels, photometric="minisblack", rowsperstrip=pixels.shape[1], compression="zlib"
    )
    with pytest.raises(HaikuError, match="save it as a tiled pyramid"):
        open_image(path)
