from __future__ import annotations

import pytest

from napari_haiku.viewer.session.belonging import Belonging

A = Belonging("a.haiku.zarr", {"he": "1", "mif": "2"}, 40, 100.0, 100.0)


def test_it_comes_back_from_a_file():
    assert Belonging.from_state(A.encoding, A.to_state()) == A


@pytest.mark.parametrize(
    "other",
    [
        A,
        # Renamed; encoded without its mIF image.
        Belonging("b.haiku.zarr", A.images, 40, 100.0, 100.0),
        Belonging("a.haiku.zarr", {"he": "1"}, 40, 100.0, 100.0),
    ],
)
def test_the_same_slide_and_patches_take_it(other):
    assert A.why_not(other) == ""


@pytest.mark.parametrize("images", [{"he": "9"}, {"he": "1", "mif": "9"}, {}])
def test_another_image_does_not_whatever_it_is_called(images):
    said = A.why_not(Belonging("b.haiku.zarr", images, 40, 100.0, 100.0))
    assert said == "it belongs to a.haiku.zarr, and b.haiku.zarr is in view"


def test_other_patches_of_the_same_slide_do_not():
    said = A.why_not(Belonging("a-2.haiku.zarr", A.images, 160, 50.0, 50.0))
    assert "40 patches of 100 um (a.haiku.zarr)" in said
    assert "a-2.haiku.zarr has 160 patches of 50 um" in said


def test_a_copy_of_an_earlier_version_goes_by_the_name_of_its_encoding():
    old = Belonging.from_state("a.haiku.zarr", {})
    assert old.why_not(A) == ""
    assert "belongs to a.haiku.zarr" in old.why_not(Belonging("b.haiku.zarr", A.images))
