"""Stained tissue told from glass by optical density, in strips of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_haiku.images.otsu import otsu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# Optical density (sum over red, green and blue) between which glass must end and tissue begin.
DENSITY_LIMITS = (0.06, 0.2)
# Denser values say nothing about where glass ends, and would pull Otsu's threshold into the tissue.
_DENSITY_CEILING = 0.3
_DENSITY_WITHOUT_GLASS = 0.1
_LEAST_COLOUR = 5
_PLAIN_GLASS = np.full(3, 242.0, np.float32)
_BLACK = 40
_STRIP = 1024
# Rows beyond a strip that its filters reach to.
_HALO = 3


def stained(
    rgb: NDArray[np.uint8] | NDArray[np.float32], given: float | None = None
) -> tuple[NDArray[np.bool_], float]:
    """Separate stained tissue from glass by optical density.

    Parameters
    ----------
    rgb : ndarray, shape (y, x, 3)
        Overview of a slide, 0 to 255.
    given : float, optional
        Where tissue begins, instead of the threshold found.

    Returns
    -------
    mask : ndarray of bool, shape (y, x)
    threshold : float
        Optical density.
    """
    glass = _glass_colour(rgb)
    white = _PLAIN_GLASS if glass is None else glass
    density = np.empty(rgb.shape[:2], np.float32)
    black, mask = np.empty((2, *rgb.shape[:2]), bool)
    for around, inner, rows in _strips(len(rgb)):
        pixels = rgb[around].astype(np.float32)
        absorbed = np.clip(-np.log10(np.maximum(pixels, 1.0) / white), 0.0, None)
        density[rows] = ndimage.gaussian_filter(absorbed.sum(axis=2), 0.7)[inner]
        # Grey dirt and shadows absorb all colours alike; haematoxylin and eosin spare some.
        balanced = pixels * (255.0 / white)
        colourful = ndimage.gaussian_filter(np.ptp(balanced, axis=2), 0.7) > _LEAST_COLOUR
        black[rows] = _black(pixels)[inner]
        mask[rows] = (colourful & ~_pen(pixels, absorbed))[inner] & ~black[rows]
    usable = density[~black]
    if usable.size == 0:
        return np.zeros(black.shape, bool), DENSITY_LIMITS[1]
    low, high = DENSITY_LIMITS
    threshold: float = _DENSITY_WITHOUT_GLASS
    if given is not None:
        threshold = given
    elif glass is not None:
        threshold = float(
            np.clip(otsu(np.minimum(usable, _DENSITY_CEILING, out=usable)), low, high)
        )
    mask &= density > threshold
    return mask, threshold


def _strips(rows: int) -> Iterator[tuple[slice, slice, slice]]:
    """Rows to read, rows to keep of those, and where these lie in the image."""
    for start in range(0, rows, _STRIP):
        stop = min(start + _STRIP, rows)
        above = max(start - _HALO, 0)
        yield (
            slice(above, min(stop + _HALO, rows)),
            slice(start - above, stop - above),
            slice(start, stop),
        )


def _black(rgb: NDArray[np.float32]) -> NDArray[np.bool_]:
    black: NDArray[np.bool_] = rgb.max(axis=2) < _BLACK
    return black


def _glass_colour(
    rgb: NDArray[np.uint8] | NDArray[np.float32],
) -> NDArray[np.float32] | None:
    """Return the colour of the bare glass, None where the image shows none.

    Glass is bright, near grey and, unlike pale tissue, flat.
    """
    found, bright = [], 0
    for around, inner, rows in _strips(len(rgb)):
        pixels = rgb[around].astype(np.float32)
        least, black = pixels.min(axis=2), _black(pixels)
        mean = ndimage.uniform_filter(least, 3)
        spread = np.sqrt(np.maximum(ndimage.uniform_filter(least**2, 3) - mean**2, 0))
        flat = (least > 205) & (np.ptp(pixels, axis=2) < 20) & (spread < 2.0) & ~black
        found.append(rgb[rows][flat[inner]])
        bright += int((~black[inner]).sum())
    glass = np.concatenate(found)
    share = len(glass) / max(bright, 1)
    if share < 0.005:
        return None
    colour = np.array(
        [np.percentile(glass[:, i].astype(np.float32), 75) for i in range(3)], np.float32
    )
    # Dim and scarce: more likely pale mucus or fat than glass.
    return colour if colour.min() > 225 or share > 0.1 else None


def _pen(rgb: NDArray[np.float32], absorbed: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Find blue, green and black ink, which no haematoxylin or eosin resembles."""
    red, green, blue = (rgb[..., i] for i in range(3))
    a_red, a_green, a_blue = (absorbed[..., i] for i in range(3))
    greenish = (green > red + 15) & (green > blue - 5) & (a_red > 0.2)
    blueish = (blue > red + 70) & (green > red + 10) & (a_red > 0.35)
    blackish = (rgb.max(axis=2) < 75) & (np.ptp(rgb, axis=2) < 18)
    dense = (a_red + a_green + a_blue) > 0.3
    pen: NDArray[np.bool_] = dense & (greenish | blueish | blackish)
    return pen
