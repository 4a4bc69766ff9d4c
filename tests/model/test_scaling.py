"""Intensity ranges of channels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_haiku.model.scaling import ChannelScaling, fit_scaling


@given(arrays(np.uint8, (2, 8, 8)))
def test_scaled_values_stay_between_zero_and_four(overview: np.ndarray) -> None:
    scaled = fit_scaling(overview, None).apply(overview[None])
    assert scaled.min() >= 0
    assert scaled.max() <= 4
    assert scaled.dtype == np.float32


@given(st.integers(1, 200), st.integers(0, 1000))
def test_gain_and_offset_do_not_matter(gain: int, offset: int) -> None:
    image = np.arange(64, dtype=float).reshape(1, 8, 8)
    one = fit_scaling(image, None).apply(image[None])
    other = image * gain + offset
    np.testing.assert_allclose(fit_scaling(other, None).apply(other[None]), one, atol=1e-5)


def test_an_empty_channel_reads_as_zero() -> None:
    image = np.full((1, 4, 4), 7.0)
    assert (fit_scaling(image, None).apply(image[None] + 5) == 0).all()


def test_a_rare_signal_is_not_lost() -> None:
    image = np.zeros((1, 100, 100))
    image[0, 0, :5] = 50
    assert fit_scaling(image, None).high == (50.0,)


def test_only_the_tissue_counts() -> None:
    image = np.zeros((1, 10, 10))
    image[0, 0, 0] = 1000
    mask = np.ones((10, 10), bool)
    mask[0, 0] = False
    image[0, 5:, :] = 10
    assert fit_scaling(image, mask).high == (10.0,)


def test_gaps_become_zero() -> None:
    scaling = ChannelScaling((0.0,), (1.0,))
    assert scaling.apply(np.array([[[[np.nan, np.inf, -1.0, 0.5]]]])).ravel().tolist() == [
        0,
        4,
        0,
        0.5,
    ]
