"""A small view of an mIF, from which the intensity range of each marker is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.images.slide_image import SlideImage

_OVERVIEW_PX = 2048
_SMALLEST_PX = 256


def overview_of(
    mif: SlideImage, channels: tuple[int, ...]
) -> tuple[NDArray[Any], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Small view of an mIF.

    Parameters
    ----------
    mif : SlideImage
        The image.
    channels : tuple of int
        Which channels.

    Returns
    -------
    overview : ndarray, shape (channels, y, x)
        Stored intensities, at most 2,048 pixels a side.
    centres : pair of ndarray
        x of its columns and y of its rows in um.
    """
    big_enough = [
        level for level in range(len(mif.levels)) if max(mif.level_shape(level)) >= _SMALLEST_PX
    ]
    level = max(big_enough, default=0)
    height, width = mif.level_shape(level)
    step = max(1, -(-max(height, width) // _OVERVIEW_PX))
    view = mif.levels[level][list(channels)][:, ::step, ::step]
    size = mif.level_pixel_size_um(level)
    x = mif.origin_um[0] + (np.arange(0, width, step, dtype=np.float64) + 0.5) * size
    y = mif.origin_um[1] + (np.arange(0, height, step, dtype=np.float64) + 0.5) * size
    return np.asarray(view.compute()), (x, y)


def mean_intensity(patches: NDArray[Any]) -> NDArray[np.float32]:
    """Mean stored intensity of each patch and channel.

    Parameters
    ----------
    patches : ndarray, shape (n, c, h, w)
        Stored intensities.

    Returns
    -------
    ndarray of float32, shape (n, c)
        In the file's units; NaN (not measured) where a pixel of the patch is
        no finite number.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        mean = patches.mean(axis=(2, 3), dtype=np.float64).astype(np.float32)
    return np.where(np.isfinite(mean), mean, np.float32(np.nan))
