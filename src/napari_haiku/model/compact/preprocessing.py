"""From patches at any pixel size to what the compact towers read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray

HE_MEAN, HE_STD = 0.7, 0.2
# log1p(20 x) / log1p(20) spreads the dim values without touching 0 and 1.
LOG_GAIN = 20.0


def he_input(
    patches: NDArray[np.uint8], pixel_size: float, target_um: float, multiple: int
) -> Tensor:
    """Resample H&E patches to the model's pixel size and normalise.

    Parameters
    ----------
    patches : ndarray of uint8, shape (n, h, w, 3)
    pixel_size, target_um : float
        Pixel size of the patches and of the model, in um.
    multiple : int
        The resampled side is rounded to a multiple of this many pixels.

    Returns
    -------
    Tensor, shape (n, 3, h', w'), channels last in memory.
    """
    image = torch.from_numpy(np.ascontiguousarray(patches)).permute(0, 3, 1, 2).float()
    image = resample(image, pixel_size, target_um, multiple) / 255
    return he_normalise(image)


def he_normalise(image: Tensor) -> Tensor:
    """Centre an image in 0..1 as the H&E tower expects it."""
    return ((image - HE_MEAN) / HE_STD).contiguous(memory_format=torch.channels_last)


def mif_input(
    scaled: NDArray[np.float32], pixel_size: float, target_um: float, cell_px: int
) -> Tensor:
    """Resample scaled mIF patches and pool them into cells.

    Parameters
    ----------
    scaled : ndarray of float32, shape (n, c, h, w)
        Intensities with each channel's range mapped to 0..1.
    pixel_size, target_um : float
        Pixel size of the patches and of the model, in um.
    cell_px : int
        Side of a cell in pixels of the model.

    Returns
    -------
    Tensor, shape (n, c, 3, h'/cell_px, w'/cell_px)
    """
    image = torch.from_numpy(np.ascontiguousarray(scaled, dtype=np.float32))
    return pool_cells(resample(image, pixel_size, target_um, cell_px), cell_px)


def pool_cells(image: Tensor, cell_px: int) -> Tensor:
    """Describe each cell of each channel by its mean, mean logarithm and maximum.

    Parameters
    ----------
    image : Tensor, shape (n, c, h, w)
    cell_px : int

    Returns
    -------
    Tensor, shape (n, c, 3, h // cell_px, w // cell_px)
    """
    return torch.stack(
        [
            functional.avg_pool2d(image, cell_px),
            functional.avg_pool2d(log_scale(image), cell_px),
            log_scale(functional.max_pool2d(image, cell_px)),
        ],
        2,
    )


def log_scale(image: Tensor) -> Tensor:
    """Spread dim values: 0 stays 0 and 1 stays 1."""
    return torch.log1p(LOG_GAIN * image) / float(np.log1p(LOG_GAIN))


def resample(image: Tensor, pixel_size: float, target_um: float, multiple: int) -> Tensor:
    """Resample images (n, c, h, w) to another pixel size, sides rounded to a multiple."""
    height, width = (
        max(1, round(side * pixel_size / target_um / multiple)) * multiple
        for side in image.shape[-2:]
    )
    if (height, width) == tuple(image.shape[-2:]):
        return image
    options: dict[str, Any] = {"mode": "bilinear", "align_corners": False}
    return functional.interpolate(image, size=(height, width), antialias=True, **options)
