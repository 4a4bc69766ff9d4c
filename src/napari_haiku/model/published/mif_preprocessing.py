"""mIF intensities as the published tower reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import conv2d, pad

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 65_535
BIN_WIDTH = 256


@dataclass(frozen=True)
class RegionLimits:
    """Intensity limits of one channel over a region, in 16-bit units.

    Parameters
    ----------
    lower, upper : int
        Range the histogram is taken over.
    low, high : int
        Intensities that become 0 and 255.
    """

    lower: int
    upper: int
    low: int
    high: int


def to_uint16(channels: NDArray[Any]) -> NDArray[np.uint16]:
    """Bring stored intensities to 16 bits as published.

    8-bit values are multiplied by 256; wider integers and floats are clipped
    to 0..65535. Gaps (NaN) become 0.
    """
    if channels.dtype == np.uint16:
        return channels
    if channels.dtype in (np.uint8, np.bool_):
        return channels.astype(np.uint16) * np.uint16(256)
    numbers = np.nan_to_num(channels, nan=0.0) if channels.dtype.kind == "f" else channels
    clipped: NDArray[np.uint16] = np.clip(numbers, 0, LARGEST).astype(np.uint16)
    return clipped


def region_limits(channel: NDArray[np.uint16], tissue: NDArray[np.bool_]) -> RegionLimits:
    """Limits of one channel from its histogram over the whole region.

    Parameters
    ----------
    channel : ndarray of uint16
        Intensities, any shape.
    tissue : ndarray of bool, same shape
        Tissue.

    Notes
    -----
    Histogram bins are 256 grey levels wide; a bin counts when it holds more
    than 1/5000 and at most 1/10 of all pixels. The brightest tissue value is
    left out of the upper estimate.
    """
    background = channel[~tissue]
    foreground = channel[tissue]
    lower = int(np.median(background)) if background.size else 0
    brightest = float(LARGEST)
    if foreground.size:
        foreground = foreground[foreground != foreground.max()]
        if foreground.size:
            brightest = 1.1 * float(np.quantile(foreground, 0.99))
    upper = int(min(max(brightest, lower + 1000), LARGEST))
    edges = np.arange(lower, upper, BIN_WIDTH)
    if edges.size < 2:
        return RegionLimits(lower, upper, lower, upper)
    counts, _ = np.histogram(channel, bins=edges)
    kept = np.flatnonzero((counts > channel.size / 5000) & (counts <= channel.size / 10))
    if not kept.size:
        return RegionLimits(lower, upper, lower, upper)
    return RegionLimits(lower, upper, int(edges[kept[0]]), int(edges[kept[-1] + 1]))


def to_uint8(
    channel: NDArray[Any], low: float, high: float, *, empty: bool = False
) -> NDArray[np.uint8]:
    """Map `low`..`high` to 0..255, rounded; an empty channel is 0 everywhere."""
    if empty:
        return np.zeros(channel.shape, np.uint8)
    values = np.clip(channel.astype(np.float64), low, high)
    return np.round(255 * ((values - low) / (high - low + 1e-5))).astype(np.uint8)


def normalise_region(
    channels: NDArray[Any], tissue: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Normalise every channel of a whole region to 8 bits, as published.

    Parameters
    ----------
    channels : ndarray, shape (c, ...)
        Stored intensities.
    tissue : ndarray of bool, shape (...), optional
        Tissue; everything when absent.
    """
    sixteen = to_uint16(channels)
    mask = np.ones(sixteen.shape[1:], bool) if tissue is None else np.asarray(tissue, bool)
    out = np.empty(sixteen.shape, np.uint8)
    for index, channel in enumerate(sixteen):
        limits = region_limits(channel, mask)
        out[index] = to_uint8(channel, limits.low, limits.high)
    return out


def standardise(channels: torch.Tensor) -> torch.Tensor:
    """Zero mean and unit sample deviation per channel over the patch.

    A constant channel is divided by 1; a channel with any gap (NaN) becomes 0.

    Parameters
    ----------
    channels : Tensor, shape (..., h, w)
        Intensities.
    """
    values = channels.float()
    gaps = torch.isnan(values).any(-1).any(-1)[..., None, None]
    values = torch.where(gaps, 0, values)
    flat = values.flatten(-2)
    mean = flat.mean(-1)[..., None, None]
    std = flat.std(-1)[..., None, None] if flat.shape[-1] > 1 else torch.zeros_like(mean)
    return torch.where(gaps, 0, (values - mean) / torch.where(std == 0, 1, std))


def gaussian_kernel(size: int = 3, sigma: float = 1.0) -> torch.Tensor:
    """Weights of a Gaussian blur, shape (size, size), adding up to 1."""
    offsets = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    line = torch.exp(-0.5 * (offsets / sigma) ** 2)
    line = line / line.sum()
    return line[:, None] * line[None, :]


def blur(channels: torch.Tensor, size: int = 3, sigma: float = 1.0) -> torch.Tensor:
    """Blur each channel; the borders are reflected; shape (..., h, w)."""
    line = gaussian_kernel(size, sigma).sum(0).to(channels.device)
    images = channels.reshape(-1, 1, *channels.shape[-2:])
    reach = size // 2
    images = pad(images, (reach, reach, reach, reach), mode="reflect")
    images = conv2d(images, line.view(1, 1, size, 1))
    return conv2d(images, line.view(1, 1, 1, size)).reshape(channels.shape)


def crop(channels: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Cut bottom and right to a multiple of `patch_size`; shape (..., h', w')."""
    height, width = (side - side % patch_size for side in channels.shape[-2:])
    return channels[..., :height, :width]


def tiles(channels: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Cut into tiles, each flattened row by row.

    Parameters
    ----------
    channels : Tensor, shape (..., h, w)
        Images; the rest beyond a multiple of `patch_size` is cut away.
    patch_size : int
        Side of a tile.

    Returns
    -------
    Tensor, shape (..., h // patch_size, w // patch_size, patch_size**2)
    """
    cut = crop(channels, patch_size)
    height, width = (side // patch_size for side in cut.shape[-2:])
    rows = cut.reshape(*cut.shape[:-2], height, patch_size, width, patch_size)
    return rows.transpose(-3, -2).flatten(-2)


def prepare_mif(patches: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Standardise, then blur, then tile, as published.

    Parameters
    ----------
    patches : Tensor, shape (n, c, h, w)
        Region-normalised intensities (0 to 255).
    patch_size : int
        Side of a token in pixels.

    Returns
    -------
    Tensor of float32, shape (n, c, h // patch_size, w // patch_size, patch_size**2)
    """
    return tiles(blur(standardise(patches)), patch_size)
