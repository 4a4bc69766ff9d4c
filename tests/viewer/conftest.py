from __future__ import annotations

import numpy as np
import pytest
from window_bench import stores

from napari_haiku.images.grid import PatchGrid

__all__ = ["stores"]


@pytest.fixture
def grid():
    """Six patches of 100 um in a 3 x 4 grid that begins at x 1000, y 2000 um."""
    return PatchGrid(
        patch_um=100.0,
        stride_um=50.0,
        origin_um=(1000.0, 2000.0),
        shape=(3, 4),
        rows=np.array([0, 0, 1, 1, 2, 2]),
        cols=np.array([0, 3, 1, 2, 0, 3]),
        tissue_fraction=np.ones(6),
    )


@pytest.fixture
def viewer():
    """A viewer model without a window."""
    from napari.components import ViewerModel

    return ViewerModel()
