"""Where images and patch maps lie in the viewer: um, x right, y down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_haiku.images.grid import PatchGrid
    from napari_haiku.images.slide_image import SlideImage

UNITS = ("um", "um")
AXES = ("y", "x")


def image_placement(image: SlideImage) -> dict[str, Any]:
    """Keyword arguments that place a slide image: scale, translate, units, axis labels.

    napari puts the centre of pixel (0, 0) at `translate`; `origin_um` is that
    pixel's top-left corner, hence half a pixel more.

    Parameters
    ----------
    image : SlideImage
        Its pixel size must be known.
    """
    if image.pixel_size_um is None:
        raise ValueError("the pixel size must be known before a slide is placed")
    x, y = image.origin_um
    half = image.pixel_size_um / 2
    return _placement(image.pixel_size_um, y + half, x + half)


def grid_placement(grid: PatchGrid) -> dict[str, Any]:
    """Keyword arguments that place a patch map: one map pixel a patch, one step wide."""
    x, y = grid.origin_um
    half = grid.patch_um / 2
    return _placement(grid.stride_um, y + half, x + half)


def on_grid(grid: PatchGrid, values: ArrayLike, *, fill: float | None = None) -> NDArray[Any]:
    """Lay one value per patch out as a map.

    Parameters
    ----------
    grid : PatchGrid
        The patches.
    values : array, shape (n,) or (n, k)
        One row per patch, in the grid's order; (n, 4) for colours.
    fill : float, optional
        Where there is no patch; NaN for floats and 0 for integers by default.

    Returns
    -------
    ndarray, shape (ny, nx) or (ny, nx, k)
        In the type of `values`.
    """
    rows = np.asarray(values)
    if fill is None:
        fill = np.nan if rows.dtype.kind == "f" and rows.ndim == 1 else 0
    laid = np.full((*grid.shape, *rows.shape[1:]), fill, rows.dtype)
    laid[grid.rows, grid.cols] = rows
    return laid


def patch_at(grid: PatchGrid, x_um: float, y_um: float) -> tuple[int | None, float]:
    """Find the patch under a position.

    Returns
    -------
    index : int or None
        Patch whose square holds the position (the nearest centre where squares
        overlap); None on glass or outside.
    distance_um : float
        From the position to the nearest patch's edge; 0 inside a patch.
    """
    centres = grid.centres_um
    if not len(centres):
        return None, float("inf")
    away = np.abs(centres - np.array([x_um, y_um]))
    nearest = int(np.argmin((away**2).sum(axis=1)))
    outside = np.maximum(away - grid.patch_um / 2, 0)
    gaps = np.hypot(outside[:, 0], outside[:, 1])
    distance = float(gaps.min())
    return (nearest if gaps[nearest] == 0 else None), distance


def _placement(step: float, y: float, x: float) -> dict[str, Any]:
    return {"scale": (step, step), "translate": (y, x), "units": UNITS, "axis_labels": AXES}
