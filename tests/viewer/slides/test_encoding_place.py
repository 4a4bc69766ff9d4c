from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from slides_in_memory import he_image, mif_image

from napari_haiku.viewer.slides.encoding_place import (
    cache_folder,
    encoding_place,
    free_place,
    stem_of,
)


def test_the_encoding_lies_beside_its_image(tmp_path):
    he = replace(he_image(), path=tmp_path / "case.ome.tif")
    path, beside = encoding_place(he, None, tmp_path / "cache")
    assert path == tmp_path / "case.haiku.zarr"
    assert beside


def test_the_he_decides_where_both_are_there(tmp_path):
    he = replace(he_image(), path=tmp_path / "he.svs")
    mif = replace(mif_image(), path=tmp_path / "mif.ome.tif")
    assert encoding_place(he, mif, tmp_path)[0].name == "he.haiku.zarr"
    assert encoding_place(None, mif, tmp_path)[0].name == "mif.haiku.zarr"


def test_an_image_without_a_file_goes_into_the_cache_under_its_own_print(tmp_path):
    first, beside = encoding_place(he_image(name="my layer/1"), None, tmp_path)
    other, _ = encoding_place(he_image(name="my layer/1", pixel=0.25), None, tmp_path)
    assert not beside
    assert first.parent == tmp_path / "encodings"
    assert "/" not in first.name.replace(str(tmp_path), "")
    assert first == encoding_place(he_image(name="my layer/1"), None, tmp_path)[0]
    assert other.name.startswith("my_layer_1-he-my la")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a folder it cannot write")
def test_a_folder_that_cannot_be_written_is_left_alone(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    he = replace(he_image(), path=folder / "case.tif")
    assert not encoding_place(he, None, tmp_path / "cache")[1]


def test_a_slide_without_images_has_no_place(tmp_path):
    with pytest.raises(ValueError, match="at least one image"):
        encoding_place(None, None, tmp_path)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.ome.tif", "a"),
        ("a.b.OME.TIFF", "a.b"),
        ("slide.svs", "slide"),
        ("slide", "slide"),
        (".tif", ".tif"),
        ("odd.name", "odd.name"),
    ],
)
def test_the_stem_is_the_name_without_image_suffixes(name, stem):
    assert stem_of(name) == stem


def test_a_free_place_never_overwrites(tmp_path):
    path = tmp_path / "case.haiku.zarr"
    assert free_place(path) == path
    path.mkdir()
    second = free_place(path)
    assert second.name == "case-2.haiku.zarr"
    second.mkdir()
    assert free_place(path).name == "case-3.haiku.zarr"


def test_the_cache_is_the_systems_unless_chosen(tmp_path):
    assert cache_folder(str(tmp_path)) == tmp_path
    assert cache_folder("~/x") == Path.home() / "x"
    assert "napari-haiku" in str(cache_folder())
    assert cache_folder("  ") == cache_folder()
