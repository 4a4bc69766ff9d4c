from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_haiku.encoding.intensity import mean_intensity, overview_of
from napari_haiku.images.slide_image import SlideImage


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int32]),
        hnp.array_shapes(min_dims=4, max_dims=4, max_side=5),
    )
)
def test_the_mean_of_whole_numbers_is_exact(patches):
    expected = patches.astype(object).sum(axis=(2, 3)) / patches[0, 0].size
    np.testing.assert_array_equal(mean_intensity(patches), expected.astype(np.float32))


@pytest.mark.parametrize("gap", [np.nan, np.inf, -np.inf])
def test_a_patch_with_a_gap_is_not_measured(gap):
    patches = np.ones((3, 2, 4, 4), np.float32)
    patches[1, 0, 2, 2] = gap
    patches[1, 0, 3, 3] = -gap
    means = mean_intensity(patches)
    assert np.isnan(means[1, 0])
    means[1, 0] = 1
    np.testing.assert_array_equal(means, np.ones((3, 2)))


def image(*levels, size=0.5):
    return SlideImage(
        name="m",
        modality="mif",
        levels=tuple(da.from_array(level) for level in levels),
        pixel_size_um=size,
        origin_um=(10.0, 20.0),
        channel_names=("a", "b"),
        markers=("a", "b"),
    )


def test_the_overview_is_a_coarse_level_with_its_places():
    fine = np.arange(2 * 1024 * 1024, dtype=np.float32).reshape(2, 1024, 1024)
    coarse = fine[:, ::4, ::4]
    tiny = fine[:, ::16, ::16]
    view, (x, y) = overview_of(image(fine, coarse, tiny), (1,))
    np.testing.assert_array_equal(view, coarse[[1]])
    np.testing.assert_allclose(x[:2], [11.0, 13.0])
    np.testing.assert_allclose(y[:2], [21.0, 23.0])
    assert len(x) == len(y) == 256


def test_a_large_single_level_is_thinned_out():
    big = da.zeros((2, 5000, 100), dtype=np.uint8, chunks=(1, 500, 100))
    picture = image(np.zeros((2, 4, 4), np.uint8))
    picture = type(picture)(
        **{**{f: getattr(picture, f) for f in picture.__dataclass_fields__}, "levels": (big,)}
    )
    view, (x, y) = overview_of(picture, (0, 1))
    assert view.shape == (2, len(y), len(x)) == (2, 1667, 34)
    np.testing.assert_allclose(np.diff(y), 1.5)
