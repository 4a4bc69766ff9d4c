"""Smooth random fields and small periodic textures, the raw material of tissue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Float = NDArray[np.float32]


def resample(image: Float, shape: tuple[int, int]) -> Float:
    """Stretch a 2-D image to `shape` (y, x) linearly, pixel centres kept in register.

    Parameters
    ----------
    image : ndarray, (h, w)
        Values at the centres of h x w equal squares.
    shape : tuple of int
        Rows and columns of the answer, which covers the same area.
    """
    rows, row_weight = _positions(image.shape[0], shape[0])
    columns, column_weight = _positions(image.shape[1], shape[1])
    # Columns first: the row step then copies whole contiguous rows, which is fast.
    wide = image[:, columns] * (1 - column_weight) + image[:, columns + 1] * column_weight
    wide = np.ascontiguousarray(wide, dtype=np.float32)
    step = wide[1:] - wide[:-1]
    result: Float = step[rows]
    result *= row_weight[:, None]
    result += wide[rows]
    return result


def _positions(size: int, wanted: int) -> tuple[NDArray[np.intp], Float]:
    centres = (np.arange(wanted) + 0.5) * size / wanted - 0.5
    low = np.clip(np.floor(centres).astype(np.intp), 0, size - 2)
    return low, np.clip(centres - low, 0, 1).astype(np.float32)


def smooth_field(
    rng: np.random.Generator, shape: tuple[int, int], step_um: float, scale_um: float
) -> Float:
    """Draw a Gaussian random field with mean 0 and variance 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    shape : tuple of int
        Rows and columns wanted.
    step_um : float
        Size of a pixel in um.
    scale_um : float
        Standard deviation of the smoothing kernel in um.
    """
    coarse = max(1, round(scale_um / (3 * step_um)))
    rows, columns = (max(2, -(-side // coarse)) for side in shape)
    sigma = scale_um / (step_um * coarse)
    pad = int(4 * sigma) + 1
    white = rng.standard_normal((rows + 2 * pad, columns + 2 * pad), dtype=np.float32)
    field = ndimage.gaussian_filter(white, sigma, mode="wrap")[pad:-pad, pad:-pad]
    field *= np.float32(2 * np.sqrt(np.pi) * sigma)
    if coarse == 1:
        return np.ascontiguousarray(field[: shape[0], : shape[1]])
    return resample(field, shape)


def band_texture(rng: np.random.Generator, size: int, low: float, high: float) -> Float:
    """Draw a periodic noise texture whose grain lies between two sizes.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    size : int
        Side of the square texture in pixels.
    low, high : float
        Finest and coarsest grain (Gaussian sigma) in pixels; variance is 1.
    """
    white = rng.standard_normal((size, size), dtype=np.float32)
    fine = ndimage.gaussian_filter(white, low, mode="wrap")
    texture = fine - ndimage.gaussian_filter(white, high, mode="wrap")
    return np.asarray(texture / texture.std(), np.float32)


def tiled(texture: Float, shape: tuple[int, int], offset: tuple[int, int] = (0, 0)) -> Float:
    """Repeat a periodic texture over an area of `shape`, starting at `offset`."""
    rows = (np.arange(shape[0]) + offset[0]) % texture.shape[0]
    columns = (np.arange(shape[1]) + offset[1]) % texture.shape[1]
    result: Float = texture[rows][:, columns]
    return result


def streaks(noise: Float, angle: Float, steps: int, stride: float) -> Float:
    """Smear noise along a direction field (line integral convolution).

    Parameters
    ----------
    noise : ndarray, (h, w)
        What is smeared.
    angle : ndarray, (h, w)
        Direction at each pixel in radians, x right and y down.
    steps : int
        Steps taken to each side.
    stride : float
        Length of a step in pixels.
    """
    height, width = noise.shape
    across = (np.cos(angle) * stride).astype(np.float32)
    down = (np.sin(angle) * stride).astype(np.float32)
    flat = noise.ravel()
    total = noise.copy()
    for sign in (np.float32(1), np.float32(-1)):
        y, x = np.indices((height, width), dtype=np.float32)
        place = np.arange(height * width).reshape(height, width)
        for _ in range(steps):
            y += sign * down.ravel()[place]
            x += sign * across.ravel()[place]
            np.clip(y, 0, height - 1, out=y)
            np.clip(x, 0, width - 1, out=x)
            place = (y + np.float32(0.5)).astype(np.int64) * width
            place += (x + np.float32(0.5)).astype(np.int64)
            total += flat[place]
    return total / np.float32(np.sqrt(2 * steps + 1))
