"""Pixels as QuPath counts them."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.errors import HaikuError
from napari_haiku.export.qupath_frame import QuPathFrame, openslide_bounds, qupath_frame

NUMBER = st.floats(-1e5, 1e5)


@given(st.floats(0.1, 20), NUMBER, NUMBER, st.integers(0, 10**5), st.integers(0, 10**5), NUMBER)
def test_there_and_back(size, x, y, left, top, place):
    frame = QuPathFrame(size, (x, y), (left, top))
    points = np.array([[place, -place]])
    np.testing.assert_allclose(frame.to_um(frame.to_px(points)), points, atol=1e-4)


def test_bounds_move_the_origin():
    frame = QuPathFrame(0.5, (0.0, 0.0), (100, 40))
    assert frame.to_px(np.array([[50.0, 20.0]])).tolist() == [[0.0, 0.0]]
    assert frame.to_px(np.array([[51.0, 22.0]])).tolist() == [[2.0, 4.0]]


def _encoding(tmp_path, **image):
    known = {"name": "slide.tif", "pixel_size_um": 0.5, "origin_um": [10.0, 20.0], **image}
    return SimpleNamespace(path=tmp_path / "slide.zarr", images={"he": known})


def test_an_ordinary_image_begins_at_its_first_pixel(tmp_path):
    frame = qupath_frame(_encoding(tmp_path))
    assert frame.to_px(np.array([[10.0, 20.0]])).tolist() == [[0.0, 0.0]]


class _Slide:
    """An open slide that was scanned from (300, 200) on."""

    def __init__(self, path):
        self.properties = {"openslide.bounds-x": "300", "openslide.bounds-y": "200"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_formats_that_openslide_crops(tmp_path, monkeypatch):
    monkeypatch.setitem(
        sys.modules, "openslide", SimpleNamespace(OpenSlide=_Slide, OpenSlideError=ValueError)
    )
    encoding = _encoding(tmp_path, name="slide.mrxs", origin_um=[0.0, 0.0])
    with pytest.raises(HaikuError, match="give the image too"):
        qupath_frame(encoding)
    (tmp_path / "slide.mrxs").touch()
    assert qupath_frame(encoding).bounds_px == (300, 200)
    elsewhere = tmp_path / "other.mrxs"
    elsewhere.touch()
    assert qupath_frame(encoding, image=elsewhere).bounds_px == (300, 200)


def test_bounds_without_openslide(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openslide", None)
    with pytest.raises(HaikuError, match="napari-haiku\\[wsi\\]"):
        openslide_bounds(tmp_path / "slide.mrxs")


@pytest.mark.parametrize(
    ("image", "modality", "words"),
    [
        ({"affine_um": [1, 0, 5, 0, 1, 5]}, None, "affine"),
        ({"pixel_size_um": None}, None, "how large a pixel"),
        ({}, "mif", "no mIF image"),
    ],
)
def test_frames_that_cannot_be_told(tmp_path, image, modality, words):
    with pytest.raises(HaikuError, match=words):
        qupath_frame(_encoding(tmp_path, **image), modality=modality)
