"""The yardstick on made-up features, and on real tissue where it is at hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import Ridge

from napari_haiku.analysis.biomarkers.hand_made_features import hand_made_features
from napari_haiku.analysis.biomarkers.yardstick import measure_yardstick
from napari_haiku.errors import HaikuError


def made(n=300, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 5)) * [1, 10, 100, 1, 0]
    linear = features[:, 0] + 0.05 * features[:, 1] + 0.3 * rng.normal(size=n)
    return features, np.column_stack([linear, rng.normal(size=n), np.full(n, 3.0)])


def test_what_is_linear_is_found_and_noise_is_not():
    features, values = made()
    result = measure_yardstick(
        features[:200], values[:200], features[200:], values[200:], ("line", "noise", "flat")
    )
    assert result.ridge_r["line"] > 0.9
    assert result.neighbours_r["line"] > 0.5
    assert abs(result.ridge_r["noise"]) < 0.35
    assert np.isnan(result.ridge_r["flat"])
    assert np.isnan(result.neighbours_r["flat"])
    assert result.mean_ridge_r == pytest.approx(
        np.mean([result.ridge_r["line"], result.ridge_r["noise"]])
    )
    assert (result.fit_patches, result.test_patches) == (200, 100)


def test_agrees_with_neighbours_and_ridge_done_by_hand():
    features, values = made()
    fit, test = features[:200, :4], features[200:, :4]
    result = measure_yardstick(fit, values[:200, :1], test, values[200:, :1], ("line",), k=7)
    z_fit, z_test = ((part - fit.mean(0)) / fit.std(0) for part in (fit, test))
    apart = np.linalg.norm(z_test[:, None] - z_fit[None], axis=2)
    near = values[np.argsort(apart, axis=1)[:, :7], 0].mean(axis=1)
    assert result.neighbours_r["line"] == pytest.approx(
        stats.pearsonr(near, values[200:, 0]).statistic
    )
    best = max(
        stats.pearsonr(
            Ridge(alpha).fit(z_fit, values[:200, 0]).predict(z_test), values[200:, 0]
        ).statistic
        for alpha in np.logspace(-2, 4, 13)
    )
    assert result.ridge_r["line"] == pytest.approx(best, abs=0.02)


def test_gaps_are_left_out_of_the_fit():
    features, values = made()
    holed = values.copy()
    holed[:100, 0] = np.nan
    result = measure_yardstick(
        features[:200], holed[:200, :1], features[200:], values[200:, :1], ("line",)
    )
    expected = measure_yardstick(
        (features[:200] - features[:200].mean(0))[100:],
        values[100:200, :1],
        features[200:] - features[:200].mean(0),
        values[200:, :1],
        ("line",),
    )
    assert result.ridge_r["line"] == pytest.approx(expected.ridge_r["line"], abs=0.02)


def test_a_marker_never_measured_has_no_r():
    features, values = made()
    result = measure_yardstick(
        features[:200], np.full((200, 1), np.nan), features[200:], values[200:, :1], ("none",)
    )
    assert np.isnan(result.ridge_r["none"])
    assert np.isnan(result.mean_ridge_r)


def test_nothing_to_fit_on_is_refused():
    with pytest.raises(HaikuError, match="fit on"):
        measure_yardstick(np.empty((0, 3)), np.empty((0, 1)), np.ones((2, 3)), np.ones((2, 1)), "m")


@pytest.mark.real_data
def test_real_tissue_is_partly_predictable_by_its_looks(real_data):
    """Left part of a band across a real slide to its right part."""
    from napari_haiku.images.grid import make_grid
    from napari_haiku.images.patches import read_patches
    from napari_haiku.images.reading import open_image

    he, mif = (
        open_image(real_data / "orion_crc01" / f"crc01_west_{name}.ome.tif")
        for name in ("he", "mif18")
    )
    left, top, right, _ = he.extent_um
    grid = make_grid(he, mif).within((left, top + 2600, right, top + 3300))
    patches, pixel_size = read_patches(he, grid, range(len(grid)))
    features = hand_made_features(patches, pixel_size)
    stained, _ = read_patches(mif, grid, range(len(grid)))
    used = [channel for channel, marker in enumerate(mif.markers) if marker]
    values = stained[:, used].astype(np.float32).mean(axis=(2, 3))
    x = grid.centres_um[:, 0] - he.origin_um[0]
    fit, test = x < 2560 * 1.3, x >= 3072 * 1.3
    markers = [mif.markers[channel] for channel in used]
    result = measure_yardstick(features[fit], values[fit], features[test], values[test], markers)
    assert len(markers) == 17
    assert result.ridge_r["DAPI"] > 0.85
    assert result.ridge_r["ECad"] > 0.65
    assert 0.25 < result.mean_neighbours_r < 0.6
    assert 0.25 < result.mean_ridge_r < 0.6
