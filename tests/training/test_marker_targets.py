"""Marker means of patches, standardised within a cohort."""

from __future__ import annotations

import numpy as np

from napari_haiku.model.scaling import ChannelScaling
from napari_haiku.training.marker_levels import set_marker_levels
from napari_haiku.training.marker_targets import MarkerTargets
from napari_haiku.training.sampler import Batch
from napari_haiku.training.tissue_cache import CachedSlide

PANEL = ("CD8", "DAPI")


def _slide(i: int, top: float = 100.0) -> CachedSlide:
    rng = np.random.default_rng(i)
    table = np.zeros((31, 31), np.float32)
    table[1:, 1:] = np.ones((30, 30)).cumsum(0).cumsum(1)
    cells = rng.random((2, 3, 30, 30)) * np.array([0.2 + 0.1 * (i % 5), 0.5])[:, None, None, None]
    scaling = ChannelScaling((5.0, 0.0), (top, 50.0))
    return CachedSlide(f"s{i}", f"p{i}", {}, PANEL, None, cells.astype(np.float16), table, scaling)


def _batch(slides: list[CachedSlide], side: int = 6) -> Batch:
    cells = np.stack([slide.cells[:, :, :side, :side] for slide in slides])
    return Batch(None, cells.astype(np.float32), PANEL, tuple(slides), "")


def test_targets_follow_stored_intensities() -> None:
    slides = [_slide(i, 60.0 + 10 * i) for i in range(12)]
    targets = MarkerTargets({("", PANEL): slides}, ("DAPI", "CD3e", "CD8"), 6)
    rows = targets.of(_batch(slides))
    assert rows.shape == (12, 6)
    assert np.isnan(rows[:, 2:4]).all(), "CD3e is on no panel"
    stored = [5 + (s.scaling.high[0] - 5) * s.cells[0, 0, :6, :6].mean() for s in slides]
    assert np.corrcoef(stored, rows[:, 4])[0, 1] > 0.999
    assert (np.argsort(rows[:, 5]) == np.argsort(rows[:, 4])).all()


def test_targets_are_about_standard() -> None:
    slides = [_slide(i) for i in range(30)]
    rows = MarkerTargets({("", PANEL): slides}, PANEL, 6).of(_batch(slides))
    assert np.abs(rows.mean(0)).max() < 0.7
    assert rows.std(0).min() > 0.4
    assert rows.std(0).max() < 2


def test_places_have_targets_of_their_own() -> None:
    slides = [_slide(i) for i in range(30)]
    targets = MarkerTargets({("", PANEL): slides}, ("DAPI", "CD3e", "CD8"), 6)
    batch = _batch(slides)
    rows = targets.of_places(batch)
    assert rows.shape == (30, 36, 6)
    assert np.isnan(rows[:, :, 2:4]).all(), "CD3e is on no panel"
    cells = batch.cells[:, 0, 0].reshape(-1)
    assert np.corrcoef(cells, rows[:, :, 4].reshape(-1))[0, 1] > 0.999, "row by row"
    seen = rows[:, :, [0, 1, 4, 5]].reshape(-1, 4)
    assert np.abs(seen.mean(0)).max() < 0.2
    np.testing.assert_allclose(seen.std(0), 1, atol=0.2)


def test_levels_need_enough_slides() -> None:
    from napari_haiku.model.compact.config import CompactConfig
    from napari_haiku.model.compact.network import CompactNetwork

    network = CompactNetwork(CompactConfig("t", PANEL, he_width=4, dim=8))
    set_marker_levels(network, [_slide(i) for i in range(5)], 6)
    assert network.mif.level_spread.tolist() == [0, 0, 0]
    set_marker_levels(network, [_slide(i, 60.0 + 5 * i) for i in range(25)], 6)
    spread = network.mif.level_spread
    assert spread[0] == 0
    assert spread[1] > 0.1, "CD8 has wider and narrower slides"
    assert spread[2] > 0
    assert abs(float(network.mif.level_mean[2]) - np.log(50)) < 1e-5
    means = network.mif.mean_mean[network.marker_ids(("CD8", "DAPI"))].detach().numpy()
    wanted = np.log(np.array([0.4, 0.5]) * 0.5 + 0.02)
    np.testing.assert_allclose(means, wanted, atol=0.1)
