"""Resampled slides: right place, right values, reused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image
from napari_haiku.model.compact.config import CompactConfig
from napari_haiku.training.tissue_cache import CachedSlide, cache_slide

SIZES = CompactConfig(name="t", markers=("DAPI",), cell_px=4, patch_px=48)


def _cached(manifest: Path, **options: object) -> CachedSlide:
    folder = manifest.parent
    return cache_slide(
        open_image(folder / "s0_he.ome.tif"),
        open_image(folder / "s0_mif.ome.tif"),
        slide_id="s0",
        patient_id="p0",
        record={},
        config=SIZES,
        region_um=options.get("region_um"),  # type: ignore[arg-type]
        folder=folder / "cache",
    )


def test_both_images_land_in_one_frame(manifest: Path) -> None:
    slide = _cached(manifest)
    assert slide.he is not None
    assert slide.cells is not None
    assert slide.markers == ("DAPI", "PanCK", "CD8")
    rows, columns = slide.shape
    assert slide.he.shape == (rows * 4, columns * 4, 3)
    assert slide.cells.shape == (3, 3, rows, columns)
    assert rows == int(300 / SIZES.pixel_size_um) // 4
    darkness = -slide.he.astype(float).mean(-1).reshape(rows, 4, columns, 4).mean((1, 3))
    r = np.corrcoef(darkness.ravel(), slide.cells[1, 0].astype(float).ravel())[0, 1]
    assert r > 0.9


def test_a_region_is_cut_in_micrometres(manifest: Path) -> None:
    whole, part = _cached(manifest), _cached(manifest, region_um=(100.0, 0.0, 300.0, 300.0))
    assert whole.he is not None
    assert part.he is not None
    shift = round(100 / SIZES.pixel_size_um)
    a = whole.he[:200, shift + 20 : shift + 100].astype(float)
    b = part.he[:200, 20:100].astype(float)
    assert np.abs(a - b).mean() < 3


def test_a_second_call_reads_what_the_first_left(manifest: Path) -> None:
    _cached(manifest)
    stamp = {p: p.stat().st_mtime_ns for p in (manifest.parent / "cache").rglob("*") if p.is_file()}
    _cached(manifest)
    assert stamp == {
        p: p.stat().st_mtime_ns for p in (manifest.parent / "cache").rglob("*") if p.is_file()
    }


def test_tissue_share_is_a_share(manifest: Path) -> None:
    slide = _cached(manifest)
    rows = np.arange(0, slide.shape[0] - 12)
    share = slide.tissue_share(rows, rows, 12)
    assert share.min() >= 0
    assert share.max() <= 1


def test_a_region_elsewhere_is_refused(manifest: Path) -> None:
    with pytest.raises(HaikuError, match="do not overlap"):
        _cached(manifest, region_um=(900.0, 900.0, 1000.0, 1000.0))


def test_a_region_smaller_than_a_patch_is_refused(manifest: Path) -> None:
    with pytest.raises(HaikuError, match="smaller than one patch"):
        _cached(manifest, region_um=(0.0, 0.0, 20.0, 20.0))
