"""Hand-made features measure what their names say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from napari_haiku.analysis.biomarkers.hand_made_features import FEATURES, hand_made_features
from napari_haiku.errors import HaikuError


def measure(patches, pixel_size=1.0):
    patches = np.asarray(patches, np.uint8)
    values = hand_made_features(patches if patches.ndim == 4 else patches[None], pixel_size)
    return {name: values[:, place] for place, name in enumerate(FEATURES)}


def noise(seed=0, size=64, smooth=0.0):
    rng = np.random.default_rng(seed)
    grey = ndimage.gaussian_filter(rng.normal(size=(size, size)), smooth)
    grey = 128 + 40 * grey / grey.std()
    return np.repeat(np.clip(grey, 0, 255)[..., None], 3, axis=2).astype(np.uint8)


def test_there_are_twenty_three():
    assert len(FEATURES) == len(set(FEATURES)) == 23
    assert hand_made_features(np.zeros((3, 20, 20, 3), np.uint8), 1.0).shape == (3, 23)


def test_a_flat_patch_has_colour_and_no_texture():
    found = measure(np.full((32, 32, 3), (200, 150, 180)))
    assert found["red mean"] == 200
    assert found["green mean"] == 150
    assert found["blue mean"] == 180
    assert found["saturation mean"] == pytest.approx(50 / 200)
    for name in FEATURES:
        if any(word in name for word in ("SD", "contrast", "gradient", "likeness", "entropy")):
            assert found[name] == pytest.approx(0, abs=1e-4), name


def test_stains_are_told_apart():
    haematoxylin, eosin = np.array([0.65, 0.70, 0.29]), np.array([0.07, 0.99, 0.11])
    nuclei = measure(np.tile(255 * 10 ** (-0.6 * haematoxylin), (16, 16, 1)).round())
    plasma = measure(np.tile(255 * 10 ** (-0.4 * eosin), (16, 16, 1)).round())
    assert nuclei["haematoxylin mean"] == pytest.approx(0.6, abs=0.02)
    assert nuclei["eosin mean"] == pytest.approx(0, abs=0.02)
    assert plasma["haematoxylin mean"] == pytest.approx(0, abs=0.02)
    assert plasma["eosin mean"] == pytest.approx(0.4, abs=0.02)
    assert nuclei["dark nuclei share"] == 1
    assert plasma["dark nuclei share"] == 0


def test_white_share_counts_glass():
    patch = np.full((20, 20, 3), 120, np.uint8)
    patch[:5] = 245
    assert measure(patch)["white share"] == pytest.approx(0.25)


def test_smooth_texture_is_more_alike_at_a_distance():
    rough, smooth = measure(noise()), measure(noise(smooth=6.0))
    assert smooth["likeness 5 um apart"] > rough["likeness 5 um apart"] + 0.5
    assert rough["contrast at 2 um"] > smooth["contrast at 2 um"]
    assert rough["gradient mean"] > smooth["gradient mean"]


def test_texture_is_measured_in_um_not_in_pixels():
    coarse = noise(smooth=3.0)
    fine = np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)
    at_one, at_half = measure(coarse, 1.0), measure(fine, 0.5)
    for name in ("contrast at 5 um", "contrast at 12 um", "likeness 15 um apart"):
        assert at_half[name] == pytest.approx(at_one[name], rel=0.12, abs=0.03), name


def test_blocks_do_not_matter():
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 256, (130, 12, 12, 3), dtype=np.uint8)
    whole = hand_made_features(patches, 1.0)
    np.testing.assert_allclose(whole[129:], hand_made_features(patches[129:], 1.0), rtol=1e-5)


@given(hnp.arrays(np.uint8, (2, 9, 11, 3)), st.sampled_from([0.25, 1.3, 20.0]))
def test_every_patch_has_finite_features(patches, pixel_size):
    assert np.isfinite(hand_made_features(patches, pixel_size)).all()


@pytest.mark.parametrize("shape", [(4, 4, 3), (1, 4, 4, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(HaikuError, match="shape"):
        hand_made_features(np.zeros(shape, np.uint8), 1.0)


@pytest.mark.parametrize("pixel_size", [0, -1.0, float("nan")])
def test_an_impossible_pixel_size_is_refused(pixel_size):
    with pytest.raises(HaikuError, match="pixel size"):
        hand_made_features(np.zeros((1, 4, 4, 3), np.uint8), pixel_size)
