from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.errors import HaikuError
from napari_haiku.images.pixel_size import (
    agreed_pixel_size,
    checked_pixel_size,
    size_from_resolution,
    square_pixel_size,
    um_per_unit,
)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("\u00b5m", 1.0),
        ("\u03bcm", 1.0),
        ("um", 1.0),
        ("micron", 1.0),
        ("Micrometer", 1.0),
        ("micrometre", 1.0),
        ("\\u00B5m", 1.0),
        ("nm", 1e-3),
        ("nanometers", 1e-3),
        ("mm", 1e3),
        ("cm", 1e4),
        ("inch", 25400.0),
        ("m", 1e6),
        ("\u00c5", 1e-4),
    ],
)
def test_units_of_length(unit: str, factor: float) -> None:
    assert um_per_unit(unit) == factor


@pytest.mark.parametrize("unit", ["pixel", "", "reference frame", "s", "dpi"])
def test_other_units_are_no_length(unit: str) -> None:
    assert um_per_unit(unit) is None


@pytest.mark.parametrize("size", [0.0, -0.5, 0.009, 100.1, math.nan, math.inf])
def test_sizes_that_cannot_be_right(size: float) -> None:
    with pytest.raises(HaikuError, match=r"slide\.tif cannot be right: give one between"):
        checked_pixel_size(size, "slide.tif")


def test_square_pixels_may_differ_by_one_percent() -> None:
    assert square_pixel_size(0.5, 0.5049, "a") == 0.5
    with pytest.raises(HaikuError, match=r"0\.5 um across and 0\.51 um down.*--pixel-size"):
        square_pixel_size(0.5, 0.51, "a")


@pytest.mark.parametrize("sizes", [(0.0, 0.5), (0.5, -0.5), (math.nan, 0.5), (0.0, 0.0)])
def test_one_absurd_side_is_refused(sizes: tuple[float, float]) -> None:
    with pytest.raises(HaikuError, match="cannot be right"):
        square_pixel_size(*sizes, "a")


def test_metadata_and_tags_must_agree_within_five_percent() -> None:
    assert agreed_pixel_size(0.5, 0.52, "a") == 0.5
    assert agreed_pixel_size(None, 0.5, "a") == 0.5
    assert agreed_pixel_size(0.5, None, "a") == 0.5
    assert agreed_pixel_size(None, None, "a") is None
    with pytest.raises(HaikuError, match=r"0\.5 um in its metadata and 0\.25 um .*--pixel-size"):
        agreed_pixel_size(0.5, 0.25, "a")


@pytest.mark.parametrize("dpi", [1, 72, 96, 100, 150, 200, 300, 400, 600, 1200, 2400, 299.9994])
def test_print_resolutions_say_nothing_about_optics(dpi: float) -> None:
    assert size_from_resolution(dpi, 25400.0) is None
    assert size_from_resolution(dpi / 2.54, 10000.0) is None


@pytest.mark.parametrize("size", [0.1, 0.2527, 0.325, 0.499, 1.3, 5.2, 10.0, 20.8])
def test_resolutions_of_scanners_do(size: float) -> None:
    assert size_from_resolution(10000 / size, 10000.0) == pytest.approx(size)
    assert size_from_resolution(25400 / size, 25400.0) == pytest.approx(size)


@pytest.mark.parametrize("resolution", [0.0, -3.0, math.nan, math.inf])
def test_impossible_resolutions_say_nothing(resolution: float) -> None:
    assert size_from_resolution(resolution, 10000.0) is None


@given(st.floats(0.01, 100.0))
def test_every_plausible_size_is_kept(size: float) -> None:
    assert square_pixel_size(size, size, "a") == size
