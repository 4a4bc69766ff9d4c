from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_files import slide

from napari_haiku.errors import HaikuError
from napari_haiku.images.slide_image import is_unnamed


def test_extent_and_shape_are_in_the_physical_frame() -> None:
    image = slide(shape=(40, 60), pixel_size_um=0.5, origin_um=(100.0, 200.0))
    assert image.shape == (40, 60)
    assert image.extent_um == (100.0, 200.0, 130.0, 220.0)


def test_without_a_pixel_size_the_extent_is_refused_with_the_option_to_give_it() -> None:
    with pytest.raises(HaikuError, match="give the size in um with --pixel-size"):
        _ = slide(pixel_size_um=None).extent_um


def test_level_scales_are_whole_where_rounding_explains_the_sides() -> None:
    assert slide(shape=(101, 67), levels=4).level_scales == (1.0, 2.0, 4.0, 8.0)


@pytest.mark.parametrize(
    ("wanted", "level"), [(0.1, 0), (0.5, 0), (0.99, 0), (0.995, 1), (1.0, 1), (3.0, 2), (100.0, 3)]
)
def test_the_level_is_the_coarsest_that_is_fine_enough(wanted: float, level: int) -> None:
    assert slide(pixel_size_um=0.5, levels=4).level_for(wanted) == level


def test_a_region_is_clipped_to_the_image() -> None:
    image = slide(shape=(20, 30))
    assert image.read_region(0, -5, 4, 28, 99).shape == (4, 2, 3)
    assert image.read_region(0, 2, 3, 4, 6)[0, :, 0].tolist() == [2004, 2005]
    assert slide("mif", (20, 30)).read_region(0, 19, 40, 0, 5).shape == (2, 1, 5)


def test_a_region_outside_the_image_is_empty() -> None:
    assert slide(shape=(20, 30)).read_region(0, 50, 60, 0, 5).shape == (0, 5, 3)


def test_a_given_pixel_size_leaves_the_original_alone() -> None:
    image = slide(pixel_size_um=None)
    assert image.with_pixel_size(0.5).pixel_size_um == 0.5
    assert image.pixel_size_um is None


@pytest.mark.parametrize("size", [0.0, -1.0, 0.001, 101.0, float("nan"), float("inf")])
def test_an_absurd_pixel_size_is_refused(size: float) -> None:
    with pytest.raises(HaikuError, match="cannot be right"):
        slide().with_pixel_size(size)


def test_markers_given_anew_are_resolved() -> None:
    image = slide("mif").with_markers(["Hoechst", "blank"])
    assert image.markers == ("DAPI", None)
    assert image.used_markers == ("DAPI",)
    assert image.used_channels == (0,)
    assert image.channel_names == ("Hoechst", "blank")
    assert image.notes == ("Not used as markers: blank.",)


def test_notes_about_earlier_names_go_with_them() -> None:
    image = slide("mif").with_markers(["HER2", "Keratin"])
    assert len(image.notes) == 2
    assert image.with_markers(["CD3", "CD20"]).notes == ()


def test_an_empty_channel_stays_unused_whatever_its_name() -> None:
    from dataclasses import replace

    image = replace(slide("mif"), empty_channels=(1,))
    assert image.with_markers(["CD4", "CD8"]).markers == ("CD4", None)


@pytest.mark.parametrize(
    ("names", "said"), [(["a"], "2 channels but 1 marker names"), (["CD3", "CD3e"], "both CD3e")]
)
def test_names_that_do_not_fit_are_refused(names: list[str], said: str) -> None:
    with pytest.raises(HaikuError, match=said):
        slide("mif").with_markers(names)


def test_an_he_has_no_markers() -> None:
    with pytest.raises(HaikuError, match="has no markers"):
        slide("he").with_markers([])


def test_unnamed_channels_are_refused_where_names_are_needed() -> None:
    image = slide("mif").with_markers(["Channel 1", "Channel 2"])
    assert not image.channels_named
    with pytest.raises(HaikuError, match="The mIF channels have no names"):
        image.require_named_channels()
    slide("mif").require_named_channels()
    slide("he").require_named_channels()


@pytest.mark.parametrize("name", ["", " ", "Channel 3", "channel_3", "Channel:0:2", "ch-1", "17"])
def test_numbers_are_no_names(name: str) -> None:
    assert is_unnamed(name)


@pytest.mark.parametrize("name", ["CD3", "DNA 1", "Channel", "p16"])
def test_names_are(name: str) -> None:
    assert not is_unnamed(name)


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(-70, 70),
    st.integers(-70, 70),
    st.integers(0, 80),
    st.integers(0, 80),
)
def test_regions_hold_the_pixels_that_lie_inside(
    rows: int, columns: int, y: int, x: int, height: int, width: int
) -> None:
    image = slide(shape=(rows, columns))
    part = image.read_region(0, y, y + height, x, x + width)[..., 0]
    expected = np.add.outer(np.arange(rows) * 1000, np.arange(columns))
    assert (part == expected[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]).all()


def test_an_image_travels_to_another_process() -> None:
    image = pickle.loads(pickle.dumps(slide("mif")))  # noqa: S301
    assert (image.read_region(0, 0, 5, 0, 5) == slide("mif").read_region(0, 0, 5, 0, 5)).all()
