"""Resampling to the model's pixel size, and the published intensity rules."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_haiku.errors import HaikuError
from napari_haiku.model.published.he_preprocessing import prepare_he
from napari_haiku.model.published.mif_preprocessing import (
    blur,
    gaussian_kernel,
    normalise_region,
    standardise,
    tiles,
    to_uint16,
)
from napari_haiku.model.published.region_scaling import fit_region_scaling, quantise
from napari_haiku.model.published.resampling import to_model_patch
from napari_haiku.model.scaling import ChannelScaling


def ramp(height: int, width: int) -> torch.Tensor:
    return torch.arange(width, dtype=torch.float32).expand(1, 1, height, width).clone()


def test_patch_of_the_models_size_is_untouched() -> None:
    image = ramp(256, 256)
    assert torch.equal(to_model_patch(image, 0.3775, 0.3775, 256, what="mIF"), image)


@pytest.mark.parametrize("pixel_size", [0.25, 0.5, 1.0])
def test_resampling_keeps_physical_places(pixel_size: float) -> None:
    side = round(100 / pixel_size)
    out = to_model_patch(ramp(side, side), pixel_size, 0.3775, 256, what="mIF")
    assert out.shape == (1, 1, 256, 256)
    # The central 96.64 um of a 0..100 um ramp.
    centre = out[0, 0, 128, 127:129].mean() + 0.5
    assert float(centre) * pixel_size == pytest.approx(50, abs=0.5)
    slope = float(out[0, 0, 128, 228] - out[0, 0, 128, 28]) / 200
    assert slope == pytest.approx(0.3775 / pixel_size, rel=0.01)


def test_slightly_small_patch_is_stretched_and_a_small_one_refused() -> None:
    assert to_model_patch(ramp(252, 252), 0.3775, 0.3775, 256, what="mIF").shape[-1] == 256
    with pytest.raises(HaikuError, match=r"H&E patches cover 75\.5 um but the model reads 96\.64"):
        to_model_patch(ramp(200, 200), 0.3775, 0.3775, 256, what="H&E")


def test_he_overshoot_is_kept() -> None:
    patch = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    patch[:, :, 32:] = 255
    out = prepare_he(patch, 96)
    assert out.shape == (1, 3, 96, 96)
    assert out.min() < -1.01
    assert out.max() > 1.01


def test_flat_he_patch_stays_flat() -> None:
    out = prepare_he(torch.full((1, 30, 50, 3), 255, dtype=torch.uint8), 48)
    torch.testing.assert_close(out, torch.ones(1, 3, 48, 48))


def test_standardise_before_blur_is_not_blur_before_standardise() -> None:
    image = torch.rand(1, 32, 32) * 255
    assert not torch.allclose(blur(standardise(image)), standardise(blur(image)), atol=1e-2)


def test_kernel_is_the_published_one() -> None:
    kernel = gaussian_kernel()
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-6)
    for place, weight in {(1, 1): 0.2042, (0, 1): 0.1238, (0, 0): 0.0751}.items():
        assert float(kernel[place]) == pytest.approx(weight, abs=1e-4)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 15), st.integers(1, 4))
def test_tiles_hold_every_pixel_once(rows: int, columns: int, extra: int, patch: int) -> None:
    image = torch.arange((rows * patch + min(extra, patch - 1)) * columns * patch).view(
        -1, columns * patch
    )
    cut = tiles(image, patch)
    assert cut.shape == (rows, columns, patch * patch)
    for r in range(rows):
        for c in range(columns):
            block = image[r * patch : (r + 1) * patch, c * patch : (c + 1) * patch]
            assert torch.equal(cut[r, c], block.flatten())


def test_channel_with_a_gap_becomes_zero() -> None:
    image = torch.rand(2, 8, 8)
    image[0, 3, 3] = float("nan")
    out = standardise(image)
    assert not out[0].any()
    assert out[1].any()


@given(hnp.arrays(np.float64, 12, elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_any_float_becomes_16_bits(values: np.ndarray) -> None:
    out = to_uint16(values)
    assert out.dtype == np.uint16
    inside = np.isfinite(values) & (values >= 0) & (values <= 65535)
    np.testing.assert_array_equal(out[inside], np.floor(values[inside]))


def channels(kind: type, top: float) -> np.ndarray:
    draw = np.random.default_rng(0)
    image = draw.gamma(2.0, top / 12, (2, 64, 64))
    return np.clip(image, 0, top).astype(kind)


@pytest.mark.parametrize(("kind", "top"), [(np.uint16, 60_000), (np.uint8, 255)])
def test_scaling_a_slide_gives_the_published_grey_levels(kind: type, top: float) -> None:
    image = channels(kind, top)
    scaling = fit_region_scaling(image, None)
    ours = quantise(torch.tensor(image.astype(np.float32))[None], scaling)[0].numpy()
    theirs = normalise_region(image).astype(np.float32)
    assert np.abs(ours - theirs).max() <= 1
    assert (ours != theirs).mean() < 0.01


def test_fractions_are_read_as_parts_of_the_16_bit_range() -> None:
    wide = channels(np.uint16, 60_000)
    fraction = (wide / 65_535).astype(np.float32)
    ours = np.array(fit_region_scaling(fraction, None).high) * 65_535
    # Rounding to 16 bits may move a limit by one histogram bin.
    np.testing.assert_allclose(ours, fit_region_scaling(wide, None).high, atol=257)


def test_tissue_mask_sets_the_background() -> None:
    image = np.full((1, 40, 40), 3000, np.uint16)
    image[0, :20] = channels(np.uint16, 60_000)[0, :20, :40]
    tissue = np.zeros((40, 40), bool)
    tissue[:20] = True
    assert fit_region_scaling(image, tissue).low[0] >= 3000


def test_empty_channel_is_read_as_zero() -> None:
    scaling = fit_region_scaling(np.zeros((1, 32, 32), np.uint16), None)
    assert scaling == ChannelScaling((0.0,), (0.0,))
    assert not quantise(torch.rand(1, 1, 4, 4), scaling).any()
