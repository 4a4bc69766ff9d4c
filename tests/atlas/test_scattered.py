from __future__ import annotations

import numpy as np
import pytest

from napari_haiku.atlas.scattered import read_scattered


@pytest.mark.parametrize("mapped", [True, False])
def test_rows_are_those_of_the_array(tmp_path, mapped):
    array = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float16)
    np.save(tmp_path / "a.npy", array)
    gallery = np.load(tmp_path / "a.npy", mmap_mode="r" if mapped else None)
    rows = np.asarray([3, 49, 0, 3])
    for part in (gallery, gallery[10:], gallery[:, 2:], gallery[::2]):
        some = rows % len(part)
        np.testing.assert_array_equal(read_scattered(part, some), np.asarray(part)[some])


def test_a_file_cut_short_meanwhile_is_told(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((50, 64), np.float16))
    gallery = np.load(tmp_path / "a.npy", mmap_mode="r")
    with open(tmp_path / "a.npy", "r+b") as stream:
        stream.truncate(3000)
    with pytest.raises(OSError, match="shorter than it was"):
        read_scattered(gallery, np.asarray([49]))
