"""OME-Zarr whose bytes depend on the pixels alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image
from napari_haiku.simulation.writing_zarr import write_he_zarr, write_mif_zarr


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    he = np.repeat(np.repeat(rng.integers(0, 255, (80, 70, 3), np.uint8), 8, 0), 8, 1)
    return he, rng.integers(0, 255, (3, 520, 600), np.uint8)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_he_is_read_back_as_it_was(pictures, tmp_path: Path) -> None:
    he, _ = pictures
    write_he_zarr(tmp_path / "a_he.ome.zarr", he, 0.5)
    image = open_image(tmp_path / "a_he.ome.zarr")
    assert (image.modality, image.pixel_size_um, image.shape) == ("he", 0.5, (640, 560))
    assert len(image.levels) == 2
    assert np.array_equal(np.asarray(image.levels[0]).reshape(he.shape), he)


def test_mif_is_read_back_with_its_names(pictures, tmp_path: Path) -> None:
    _, mif = pictures
    names = ("CD8", "HLA-DR", "DAPI")
    write_mif_zarr(tmp_path / "a_mif.ome.zarr", mif, names, 1.0)
    image = open_image(tmp_path / "a_mif.ome.zarr")
    assert (image.modality, image.pixel_size_um, image.markers) == ("mif", 1.0, names)
    assert np.array_equal(np.asarray(image.levels[0]), mif)
    assert np.asarray(image.levels[1]).shape == (3, 260, 300)


def test_same_pixels_same_bytes_and_nothing_is_left_beside(pictures, tmp_path: Path) -> None:
    _, mif = pictures
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_mif_zarr(tmp_path / name / "m.ome.zarr", mif, ("a", "b", "c"), 1.0)
    assert _files(tmp_path / "one") == _files(tmp_path / "two")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["m.ome.zarr"]


def test_a_place_that_cannot_be_written_is_told(pictures, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(HaikuError, match=r"a_he\.ome\.zarr"):
        write_he_zarr(tmp_path / "file" / "a_he.ome.zarr", pictures[0], 0.5)
