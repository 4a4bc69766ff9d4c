from __future__ import annotations

import gc
import pickle
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

from napari_haiku.images import pyramid
from napari_haiku.images.disk_blocks import BlocksOnDisk
from napari_haiku.images.lazy import lazy_array

if TYPE_CHECKING:
    import pytest


class Counted:
    """An array that counts the pixels that were read."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels, self.read = pixels, 0
        self.shape, self.dtype, self.ndim = pixels.shape, pixels.dtype, pixels.ndim

    def __getitem__(self, key: Any) -> np.ndarray:
        part = self.pixels[key]
        self.read += part.size
        return part


def test_every_block_is_made_once_and_any_part_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pixels = np.random.default_rng(0).integers(0, 60000, (2, 70, 95), dtype=np.uint16)
    source = Counted(pixels)
    kept = BlocksOnDisk(lazy_array(source, (1, 32, 32)))
    for part in (
        np.s_[0:1, 0:5, 0:5],
        np.s_[0:2, 20:70, 30:95],
        np.s_[1:2, 69:70, 94:95],
        np.s_[0:2, :, :],
    ):
        part = tuple(part)
        assert (kept[part] == pixels[part]).all()
    assert source.read == pixels.size
    assert len(list(tmp_path.iterdir())) == 1
    copy = pickle.loads(pickle.dumps(BlocksOnDisk(da.from_array(pixels))))  # noqa: S301
    assert (copy[:, :, :] == pixels).all()
    del kept, copy
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_costs_time_and_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    pixels = np.arange(600, dtype=np.int32).reshape(1, 20, 30)
    kept = BlocksOnDisk(da.from_array(pixels, chunks=(1, 8, 8)))
    assert (kept[:, 3:17, 5:25] == pixels[:, 3:17, 5:25]).all()


def test_a_giant_without_a_pyramid_is_read_once_for_all_its_coarse_levels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(pyramid, "KEPT_BYTES", 1000)
    monkeypatch.setattr(pyramid, "LARGEST_OVERVIEW_SIDE", 300)
    pixels = np.random.default_rng(0).integers(0, 255, (1, 2048, 1024), dtype=np.uint8)
    source = Counted(pixels)
    levels = pyramid.with_coarser_levels([lazy_array(source, (1, 512, 512))], rgb=False)
    assert [level.shape[1:] for level in levels] == [
        (2048, 1024),
        (1024, 512),
        (512, 256),
        (256, 128),
    ]
    for level in (3, 2, 1, 3):
        means = levels[level].compute()
    expected = pixels.reshape(1, 256, 8, 128, 8).mean(axis=(2, 4))
    assert np.abs(means - expected).max() < 2
    assert source.read == pixels.size
