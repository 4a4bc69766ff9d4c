"""Twenty-three colour and texture features of H&E patches, made by hand.

They are the yardstick for learned vectors: what a patch's plain looks say about
its markers without any learning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURES = (
    "red mean",
    "green mean",
    "blue mean",
    "red SD",
    "green SD",
    "blue SD",
    "haematoxylin mean",
    "haematoxylin SD",
    "haematoxylin 90th percentile",
    "eosin mean",
    "eosin SD",
    "eosin 90th percentile",
    "saturation mean",
    "white share",
    "dark nuclei share",
    "contrast at 2 um",
    "contrast at 5 um",
    "contrast at 12 um",
    "gradient mean",
    "gradient SD",
    "likeness 5 um apart",
    "likeness 15 um apart",
    "grey entropy",
)
_CONTRAST_UM = (2.0, 5.0, 12.0)
_LIKENESS_UM = (5.0, 15.0)
_WHITE = 220
# Density of haematoxylin; half of the nuclei of a usual stain lie above it.
_DARK_NUCLEI = 0.35
_GREY_LEVELS = 32
_PATCHES_AT_ONCE = 128
# Rows: optical densities of haematoxylin, eosin and a residual (Ruifrok and Johnston 2001).
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])


def hand_made_features(patches: NDArray[np.uint8], pixel_size: float) -> NDArray[np.float32]:
    """Measure colour and texture of H&E patches.

    Parameters
    ----------
    patches : ndarray of uint8, shape (n, h, w, 3)
        RGB patches.
    pixel_size : float
        Their pixel size in um; textures are measured in um.

    Returns
    -------
    ndarray of float32, shape (n, 23)
        See :data:`FEATURES`.

    Raises
    ------
    HaikuError
        The patches are not RGB uint8, or the pixel size is no positive number.
    """
    if patches.ndim != 4 or patches.shape[-1] != 3 or patches.dtype != np.uint8:
        raise HaikuError(
            "H&E patches must be uint8 of shape (n, height, width, 3), "
            f"not {patches.dtype} of shape {patches.shape}."
        )
    if not (np.isfinite(pixel_size) and pixel_size > 0):
        raise HaikuError(f"The pixel size must be a positive number of um, not {pixel_size}.")
    measured = np.empty((len(patches), len(FEATURES)), np.float32)
    for start in range(0, len(patches), _PATCHES_AT_ONCE):
        block = patches[start : start + _PATCHES_AT_ONCE]
        columns = [*_colours(block), *_textures(block, pixel_size)]
        measured[start : start + len(block)] = np.column_stack(columns)
    return measured


def _colours(patches: NDArray[np.uint8]) -> list[NDArray[Any]]:
    rgb = patches.astype(np.float32)
    density = -np.log10(np.maximum(rgb, 1) / 255)
    stains = density @ np.linalg.inv(_STAINS).astype(np.float32)
    haematoxylin, eosin = stains[..., 0], stains[..., 1]
    brightest, darkest = rgb.max(axis=-1), rgb.min(axis=-1)
    pixels = (1, 2)
    columns = [rgb[..., channel].mean(axis=pixels) for channel in range(3)]
    columns += [rgb[..., channel].std(axis=pixels) for channel in range(3)]
    for stain in (haematoxylin, eosin):
        columns += [
            stain.mean(axis=pixels),
            stain.std(axis=pixels),
            np.percentile(stain, 90, axis=pixels),
        ]
    columns.append(((brightest - darkest) / np.maximum(brightest, 1)).mean(axis=pixels))
    columns.append((darkest > _WHITE).mean(axis=pixels))
    columns.append((haematoxylin > _DARK_NUCLEI).mean(axis=pixels))
    return columns


def _textures(patches: NDArray[np.uint8], pixel_size: float) -> list[NDArray[Any]]:
    grey = patches.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    pixels = (1, 2)
    columns = []
    for size_um in _CONTRAST_UM:
        sigma = (0, *(size_um / pixel_size,) * 2)
        fine = grey - ndimage.gaussian_filter(grey, sigma)
        columns.append(fine.std(axis=pixels))
    gradient = np.hypot(*np.gradient(grey, pixel_size, axis=pixels))
    columns += [gradient.mean(axis=pixels), gradient.std(axis=pixels)]
    for lag_um in _LIKENESS_UM:
        columns.append(_likeness(grey, max(1, round(lag_um / pixel_size))))
    columns.append(_entropy(grey))
    return columns


def _likeness(grey: NDArray[np.float32], lag: int) -> NDArray[np.float32]:
    """Correlation of grey values with those `lag` pixels to the right and below."""
    lag = min(lag, grey.shape[1] - 1, grey.shape[2] - 1)
    centred = grey - grey.mean(axis=(1, 2), keepdims=True)
    variance = (centred**2).mean(axis=(1, 2))
    right = (centred[:, :, lag:] * centred[:, :, : centred.shape[2] - lag]).mean(axis=(1, 2))
    below = (centred[:, lag:] * centred[:, : centred.shape[1] - lag]).mean(axis=(1, 2))
    flat = variance < 1e-6
    alike: NDArray[np.float32] = np.where(
        flat, 0, (right + below) / 2 / np.where(flat, 1, variance)
    )
    return alike


def _entropy(grey: NDArray[np.float32]) -> NDArray[np.float64]:
    level = np.minimum((grey * (_GREY_LEVELS / 256)).astype(np.int64), _GREY_LEVELS - 1)
    n = len(grey)
    cell = level.reshape(n, -1) + _GREY_LEVELS * np.arange(n)[:, None]
    share = np.bincount(cell.ravel(), minlength=n * _GREY_LEVELS).reshape(n, _GREY_LEVELS)
    share = share / share.sum(axis=1, keepdims=True)
    entropy: NDArray[np.float64] = -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=1)
    return entropy
