from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import dask.array as da
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import halved, he_pixels, mif_pixels, write_ngff, write_ome

from napari_haiku.images.fingerprint import fingerprint_pixels
from napari_haiku.images.from_layer import image_from_array
from napari_haiku.images.reading import open_image


def test_a_copy_in_another_format_or_an_open_layer_is_recognised(tmp_path: Path) -> None:
    pixels = mif_pixels(3)
    a = open_image(write_ome(tmp_path / "a.ome.tif", pixels, levels=2, names=["DAPI", "a", "b"]))
    b = open_image(
        write_ome(tmp_path / "b.ome.tif", pixels, levels=2, tile=None, compression="zlib", size=0.3)
    )
    c = open_image(write_ngff(tmp_path / "c.zarr", pixels, levels=2))
    d = image_from_array([pixels, halved(pixels, False)], rgb=False)
    assert a.fingerprint == b.fingerprint == c.fingerprint == d.fingerprint
    assert len(a.fingerprint) == 64


def test_a_given_size_or_name_leaves_the_fingerprint(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a.ome.tif", mif_pixels(2))
    plain = open_image(path)
    assert (
        open_image(path, pixel_size_um=2, markers=["CD3", "CD8"]).fingerprint == plain.fingerprint
    )
    assert plain.with_pixel_size(3).fingerprint == plain.fingerprint


def test_other_pixels_types_and_sizes_differ() -> None:
    pixels = he_pixels()
    brighter = pixels.copy()
    brighter[0, 0, 0] ^= 1
    prints = {
        fingerprint_pixels([da.from_array(pixels)], rgb=True),
        fingerprint_pixels([da.from_array(brighter)], rgb=True),
        fingerprint_pixels([da.from_array(pixels.astype(np.uint16))], rgb=True),
        fingerprint_pixels([da.from_array(pixels[:-1])], rgb=True),
        fingerprint_pixels([da.from_array(pixels), da.from_array(pixels[::2, ::2])], rgb=True),
    }
    assert len(prints) == 5


def test_a_change_anywhere_shows_in_the_coarse_level() -> None:
    pixels = np.zeros((1, 1000, 1000), np.uint8)
    changed = pixels.copy()
    changed[0, 208, 208] = 255
    prints = [
        fingerprint_pixels([da.from_array(p), da.from_array(p[:, ::8, ::8])], rgb=False)
        for p in (pixels, changed)
    ]
    assert prints[0] != prints[1]


@settings(max_examples=20)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(60, 200))
def test_blocks_do_not_matter(rows: int, columns: int, chunk: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (2, rows, columns), dtype=np.uint8)
    prints = {
        fingerprint_pixels([da.from_array(pixels, chunks=chunks)], rgb=False)
        for chunks in (-1, (1, chunk, chunk))
    }
    assert len(prints) == 1


def test_decoding_a_level_at_one_go_changes_no_fingerprint(tmp_path: Path) -> None:
    for number, (pixels, rgb) in enumerate([(he_pixels(300, 410), True), (mif_pixels(3), False)]):
        path = write_ome(tmp_path / f"{number}.ome.tif", pixels, rgb=rgb, levels=2)
        image = open_image(path)
        assert image.fingerprint == fingerprint_pixels(image.levels, rgb=rgb)
    whole = [lambda: pixels, lambda: halved(pixels, False)]
    lazy = [da.from_array(level()) for level in whole]
    assert fingerprint_pixels(lazy, rgb=False, whole=whole) == image.fingerprint


def test_an_image_travels_before_and_after_its_fingerprint_is_known(tmp_path: Path) -> None:
    image = open_image(write_ome(tmp_path / "a.ome.tif", mif_pixels(2)))
    before = pickle.loads(pickle.dumps(image))  # noqa: S301
    assert before.fingerprint == image.fingerprint
    assert pickle.loads(pickle.dumps(image)).fingerprint == image.fingerprint  # noqa: S301
    assert replace(image, name="b").fingerprint == image.fingerprint
