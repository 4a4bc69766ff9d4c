"""Files cut off, files with flipped bytes, absurd sizes: one sentence each, never a hang."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_files import (
    cut,
    he_pixels,
    mif_pixels,
    rewrite_json,
    write_imagej,
    write_marker_folder,
    write_ngff,
    write_ome,
)
from PIL import Image

from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image

WRITERS = {
    "he.ome.tif": lambda p: write_ome(p, he_pixels(), rgb=True, levels=2),
    "mif.ome.tif": lambda p: write_ome(p, mif_pixels(4), levels=2, compression="zlib"),
    "strips.tif": lambda p: tifffile.imwrite(p, he_pixels(), photometric="rgb", rowsperstrip=16),
    "big.tif": lambda p: tifffile.imwrite(p, mif_pixels(3), photometric="minisblack", bigtiff=True),
    "jpeg.tif": lambda p: tifffile.imwrite(
        p, he_pixels(), photometric="rgb", compression="jpeg", tile=(32, 32)
    ),
    "imagej.tif": lambda p: write_imagej(p, mif_pixels(3)),
    "p.png": lambda p: Image.fromarray(he_pixels()).save(p),
    "p.jpg": lambda p: Image.fromarray(he_pixels()).save(p, quality=90),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sound file of each kind."""
    folder = tmp_path_factory.mktemp("whole")
    for name, write in WRITERS.items():
        write(folder / name)
    return folder


def looked_at(path: Path) -> None:
    """Do what an encoding does first: open, recognise, read the whole of each level."""
    image = open_image(path)
    assert len(image.fingerprint) == 64
    for level in image.levels:
        level.compute(scheduler="synchronous")


def test_the_files_are_sound_to_begin_with(whole: Path) -> None:
    for name in WRITERS:
        looked_at(whole / name)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_was_cut_off_is_refused_by_name(
    whole: Path, tmp_path: Path, name: str, share: float
) -> None:
    path = cut(Path(shutil.copy(whole / name, tmp_path / name)), share)
    with pytest.raises(HaikuError) as said:
        looked_at(path)
    assert name in str(said.value)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", WRITERS)
def test_flipped_bytes_are_read_or_told(whole: Path, tmp_path: Path, name: str, seed: int) -> None:
    content = bytearray((whole / name).read_bytes())
    rng = np.random.default_rng(seed)
    # Headers and directories lie at one of the ends.
    span = 200 if seed < 4 else len(content)
    places = rng.integers(0, min(span, len(content)), 8)
    if seed % 2:
        places = len(content) - 1 - places
    for place in places:
        content[place] ^= int(rng.integers(1, 256))
    (tmp_path / name).write_bytes(bytes(content))
    # Anything but a sentence ends the test.
    with suppress(HaikuError):
        looked_at(tmp_path / name)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("damage", ["chunk", "metadata", "level"])
def test_damaged_zarr_folders_are_told(tmp_path: Path, version: str, damage: str) -> None:
    folder = write_ngff(tmp_path / "x.zarr", mif_pixels(2), version=version)
    described = "zarr.json" if version == "0.5" else ".zarray"
    if damage == "level":
        shutil.rmtree(folder / "0")
    elif damage == "metadata":
        cut(folder / "0" / described, 0.5)
    else:
        chunks = [p for p in (folder / "0").rglob("*") if p.is_file() and "zarr" not in p.name]
        chunks = [p for p in chunks if not p.name.startswith(".")]
        for chunk in chunks:
            cut(chunk, 0.5)
    with pytest.raises(HaikuError, match=r"x\.zarr"):
        looked_at(folder)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_flipped_bytes_in_a_zarr_folder_are_read_or_told(
    tmp_path: Path, version: str, seed: int
) -> None:
    folder = write_ngff(tmp_path / "x.zarr", mif_pixels(2), version=version)
    rng = np.random.default_rng(seed)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for index in rng.choice(len(files), 3, replace=False):
        content = bytearray(files[index].read_bytes())
        for place in rng.integers(0, len(content), 3):
            content[place] ^= int(rng.integers(1, 256))
        files[index].write_bytes(bytes(content))
    with suppress(HaikuError):
        looked_at(folder)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_folder_of_markers_with_one_file_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    folder = write_marker_folder(tmp_path / "panel", ["CD3", "CD8", "DAPI"])
    cut(folder / "CD8.tif", share)
    with pytest.raises(HaikuError, match=r"CD8\.tif"):
        looked_at(folder)


@pytest.mark.parametrize("size", [0.0, -1.0, 1e-9, 1e9, float("nan"), float("inf")])
def test_absurd_pixel_sizes_are_refused(tmp_path: Path, size: float) -> None:
    path = write_ome(tmp_path / "x.ome.tif", mif_pixels(2), size=size)
    with pytest.raises(HaikuError, match=r"x\.ome\.tif.*--pixel-size"):
        open_image(path)
    assert open_image(path, pixel_size_um=0.5).pixel_size_um == 0.5


def test_images_without_pixels_are_refused(tmp_path: Path) -> None:
    folder = write_ngff(tmp_path / "x.zarr", mif_pixels(2), levels=1)
    rewrite_json(folder / "0" / "zarr.json", lambda c: c.update(shape=[2, 0, 128]))
    with pytest.raises(HaikuError, match=r"x\.zarr"):
        open_image(folder)


def test_tens_of_thousands_of_channels_are_told_quickly(tmp_path: Path) -> None:
    folder = write_ngff(tmp_path / "x.zarr", mif_pixels(2), levels=1)
    rewrite_json(folder / "0" / "zarr.json", lambda c: c.update(shape=[65_535, 96, 128]))
    with pytest.raises(HaikuError, match=r"x\.zarr has 65535 channels"):
        open_image(folder)


@pytest.mark.parametrize("name", ["a.vsi", "a.czi", "a.lif", "a.nd2"])
def test_formats_that_no_library_reads_say_what_to_convert_to(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(HaikuError, match="convert it to OME-TIFF or OME-Zarr"):
        open_image(tmp_path / name)
