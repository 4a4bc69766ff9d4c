"""A small view of an mIF, from which the intensity range of each marker is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.images.lazy import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_haiku.images.slide_image import SlideImage
    from napari_haiku.images.tissue import TissueMask
    from napari_haiku.model.scaling import ChannelScaling

Box = tuple[float, float, float, float]

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
    return read(view), (x, y)


def slide_scaling(
    mif: SlideImage,
    mask: TissueMask,
    fit: Callable[[NDArray[Any], NDArray[np.bool_]], ChannelScaling],
    region_um: Box | None = None,
) -> ChannelScaling:
    """Intensity range of each used channel over the tissue of a slide.

    Parameters
    ----------
    mif : SlideImage
        The image.
    mask : TissueMask
        Where tissue is, in the same physical frame.
    fit : callable
        The model's rule, ``fit(overview, tissue)``.
    region_um : tuple of float, optional
        x0, y0, x1, y1: nothing outside is looked at.
    """
    overview, (x, y) = overview_of(mif, mif.used_channels)
    tissue = _sample(mask, x, y)
    if region_um is not None:
        x0, y0, x1, y1 = region_um
        inside = ((y >= y0) & (y <= y1))[:, None] & ((x >= x0) & (x <= x1))
        # Without tissue the whole overview would be read: it must be the region's.
        overview = overview[:, inside.any(1)][:, :, inside.any(0)]
        tissue = tissue[inside.any(1)][:, inside.any(0)]
    return fit(overview, tissue)


def _sample(mask: TissueMask, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
    """Read a tissue mask at pixel centres (x, y) of another image."""
    height, width = mask.mask.shape
    columns = np.floor((x - mask.origin_um[0]) / mask.pixel_size_um).astype(np.int64)
    rows = np.floor((y - mask.origin_um[1]) / mask.pixel_size_um).astype(np.int64)
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    sampled = mask.mask[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)]
    result: NDArray[np.bool_] = inside & sampled
    return result


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
