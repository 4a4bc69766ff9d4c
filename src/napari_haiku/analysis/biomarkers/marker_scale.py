"""The unit in which markers are compared: standard deviations of the atlas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.atlas.store import Atlas

_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class MarkerScale:
    """Mean and spread of each marker over the atlas patches that measured it.

    Parameters
    ----------
    mean, sd : ndarray of float64, shape (markers,)
        In the atlas's units. `sd` is NaN for a marker that is constant or was
        measured in fewer than two patches: nothing can be said in such a unit.
    measured : ndarray of int64, shape (markers,)
        Patches that measured the marker.
    """

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    measured: NDArray[np.int64]

    def standardise(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Express marker values (last axis) in SD from the atlas mean."""
        scaled: NDArray[np.float64] = (np.asarray(values, np.float64) - self.mean) / self.sd
        return scaled


def marker_scale(atlas: Atlas) -> MarkerScale:
    """Read the scale of every marker from an atlas, block by block.

    Parameters
    ----------
    atlas : Atlas
        Its expression table is read once, in blocks.
    """
    n_markers = len(atlas.markers)
    count = np.zeros(n_markers, np.int64)
    mean = np.zeros(n_markers)
    squares = np.zeros(n_markers)
    for start in range(0, len(atlas.expression), _ROWS_AT_ONCE):
        block = np.asarray(atlas.expression[start : start + _ROWS_AT_ONCE], np.float64)
        known = np.isfinite(block)
        n = known.sum(axis=0)
        block_mean = np.where(known, block, 0).sum(axis=0) / np.maximum(n, 1)
        block_squares = (np.where(known, block - block_mean, 0) ** 2).sum(axis=0)
        total = np.maximum(count + n, 1)
        apart = block_mean - mean
        squares += block_squares + apart**2 * count * n / total
        mean += apart * n / total
        count += n
    variance = squares / np.maximum(count - 1, 1)
    # Rounding leaves a constant marker with a speck of variance.
    real = (count >= 2) & (variance > 1e-12 * np.maximum(mean**2, 1e-12))
    return MarkerScale(
        mean=np.where(count > 0, mean, np.nan),
        sd=np.where(real, np.sqrt(variance), np.nan),
        measured=count,
    )
