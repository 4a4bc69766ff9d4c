"""Smooth fields, textures and resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.simulation.fields import (
    band_texture,
    resample,
    smooth_field,
    streaks,
    tiled,
)


@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 5), st.floats(-3, 3))
def test_resampling_keeps_a_constant(height: int, width: int, factor: int, value: float) -> None:
    image = np.full((height, width), value, np.float32)
    finer = resample(image, (height * factor, width * factor))
    assert finer.shape == (height * factor, width * factor)
    assert np.allclose(finer, np.float32(value), atol=1e-6)


def test_resampling_keeps_positions_in_register() -> None:
    image = np.tile(np.arange(10, dtype=np.float32), (4, 1))
    finer = resample(image, (8, 20))
    # A fine pixel's centre lies a quarter of a coarse pixel off the coarse centre.
    assert finer[3, 8] == pytest.approx(3.75)
    assert finer[3, 9] == pytest.approx(4.25)


@pytest.mark.parametrize("scale_um", [4.0, 30.0, 90.0])
def test_smooth_fields_are_standardised(scale_um: float) -> None:
    fields = [
        smooth_field(np.random.default_rng(seed), (150, 120), 2.0, scale_um) for seed in range(60)
    ]
    assert fields[0].shape == (150, 120)
    assert abs(np.mean(fields)) < 0.2
    assert np.std(fields) == pytest.approx(1.0, abs=0.15)


def test_smooth_fields_are_smooth_at_their_scale() -> None:
    field = smooth_field(np.random.default_rng(0), (400, 400), 2.0, 40.0)
    near = np.corrcoef(field[:, :-5].ravel(), field[:, 5:].ravel())[0, 1]
    far = np.corrcoef(field[:, :-120].ravel(), field[:, 120:].ravel())[0, 1]
    assert near > 0.95
    assert abs(far) < 0.5


def test_textures_are_periodic() -> None:
    texture = band_texture(np.random.default_rng(1), 64, 1.0, 4.0)
    wide = tiled(texture, (128, 150))
    assert np.array_equal(wide[:64, :64], wide[64:, :64])
    assert np.array_equal(tiled(texture, (10, 10), (3, 5))[0], texture[3, 5:15])
    seam = np.abs(texture[0] - texture[-1]).mean()
    inside = np.abs(texture[30] - texture[31]).mean()
    assert seam < 2 * inside


def test_streaks_follow_the_direction_field() -> None:
    noise = np.random.default_rng(2).standard_normal((120, 120)).astype(np.float32)
    angle = np.full(noise.shape, np.pi / 2, np.float32)
    smeared = streaks(noise, angle, 8, 1.0)[12:-12, 12:-12]
    down = np.corrcoef(smeared[:-3].ravel(), smeared[3:].ravel())[0, 1]
    across = np.corrcoef(smeared[:, :-3].ravel(), smeared[:, 3:].ravel())[0, 1]
    assert down > 0.7
    assert abs(across) < 0.2
