"""Hatching and edges drawn finer than a patch, as RGBA pictures over the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINE = 8
COARSE = 4
_MOST_FINE_PATCHES = 160_000
_HATCH_ALPHA, _SHADE_ALPHA = 200, 120
_EDGE_ALPHA = 150


def pixels_per_patch(shape: tuple[int, int]) -> int:
    """Pixels along one patch: 8, or 4 on grids of more than 160,000 patches (41 MB at 8)."""
    return FINE if shape[0] * shape[1] <= _MOST_FINE_PATCHES else COARSE


def _enlarged(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    return np.repeat(np.repeat(mask, pixels, axis=0), pixels, axis=1)


def hatching(mask: NDArray[np.bool_], pixels: int | None = None) -> NDArray[np.uint8]:
    """Draw white 45-degree lines, two per patch, where the mask is true.

    A dark line runs along each, so that they are seen on pale tissue and a white
    canvas too.

    Parameters
    ----------
    mask : ndarray of bool, shape (ny, nx)
        One element per patch.
    pixels : int, optional
        Pixels along one patch; by default what `pixels_per_patch` says.

    Returns
    -------
    ndarray of uint8, shape (ny * pixels, nx * pixels, 4)
        Lines run on unbroken from patch to patch.
    """
    size = pixels or pixels_per_patch((mask.shape[0], mask.shape[1]))
    picture = np.zeros((mask.shape[0] * size, mask.shape[1] * size, 4), dtype=np.uint8)
    rows = np.arange(picture.shape[0])[:, None]
    cols = np.arange(picture.shape[1])[None, :]
    spacing = size // 2
    width = max(1, spacing // 3)
    across, inside = (rows + cols) % spacing, _enlarged(mask, size)
    picture[(across < width) & inside] = (255, 255, 255, _HATCH_ALPHA)
    if spacing >= 4 * width:
        picture[(across // width == 1) & inside] = (20, 20, 26, _SHADE_ALPHA)
    return picture


def edges(labels: NDArray[np.integer], pixels: int | None = None) -> NDArray[np.uint8]:
    """Draw dark lines between patches of different labels.

    Parameters
    ----------
    labels : ndarray of int, shape (ny, nx)
        0 is no patch; the outer rim of a region is drawn too.
    pixels : int, optional
        Pixels along one patch; by default what `pixels_per_patch` says.

    Returns
    -------
    ndarray of uint8, shape (ny * pixels, nx * pixels, 4)
    """
    size = pixels or pixels_per_patch((labels.shape[0], labels.shape[1]))
    picture = np.zeros((labels.shape[0] * size, labels.shape[1] * size, 4), dtype=np.uint8)
    padded = np.pad(labels, 1)
    here = padded[1:-1, 1:-1]
    in_patch_row = np.arange(picture.shape[0]) % size
    in_patch_col = np.arange(picture.shape[1]) % size
    sides = (
        (padded[:-2, 1:-1] != here, (in_patch_row == 0)[:, None]),
        (padded[2:, 1:-1] != here, (in_patch_row == size - 1)[:, None]),
        (padded[1:-1, :-2] != here, (in_patch_col == 0)[None, :]),
        (padded[1:-1, 2:] != here, (in_patch_col == size - 1)[None, :]),
    )
    drawn = np.zeros(picture.shape[:2], dtype=bool)
    for differs, rim in sides:
        drawn |= _enlarged(differs & (here > 0), size) & rim
    picture[drawn] = (20, 20, 26, _EDGE_ALPHA)
    return picture
