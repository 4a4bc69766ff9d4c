from __future__ import annotations

import numpy as np
import pytest
from napari.utils import resize_dask_cache

from napari_haiku.viewer.layers.slice_cache import forget_drawn_pixels


@pytest.fixture
def cache():
    cache = resize_dask_cache()
    cache.cache.clear()
    yield cache.cache
    cache.cache.clear()


def test_pixels_drawn_are_remembered_and_forgotten(cache) -> None:
    # Only what took long to read is worth keeping to it.
    cache.put("pixels", np.ones(1000), cost=1e9)
    assert cache.total_bytes > 0
    forget_drawn_pixels()
    assert cache.total_bytes == 0
    assert cache.available_bytes > 1
