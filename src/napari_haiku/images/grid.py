"""The squares of tissue that are encoded, in um of the physical frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.images.tissue import TissueMask, require_tissue, tissue_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.images.slide_image import SlideImage

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class PatchGrid:
    """Patches on a regular grid, in row-major order.

    Parameters
    ----------
    patch_um, stride_um : float
        Side of a patch and distance between neighbours, um.
    origin_um : tuple of float
        (x, y) of the top-left corner of the patch at row 0, column 0, um.
    shape : tuple of int
        Rows and columns of the whole grid, patches without tissue included.
    rows, cols : numpy.ndarray
        (n,) place of each kept patch in the grid.
    tissue_fraction : numpy.ndarray
        (n,) share of tissue in each kept patch.
    """

    patch_um: float
    stride_um: float
    origin_um: tuple[float, float]
    shape: tuple[int, int]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    tissue_fraction: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def corners_um(self) -> NDArray[np.float64]:
        """(n, 2) x, y of each patch's top-left corner, um."""
        places = np.stack([self.cols, self.rows], axis=1) * self.stride_um
        return np.asarray(places + np.asarray(self.origin_um), dtype=np.float64)

    @property
    def centres_um(self) -> NDArray[np.float64]:
        """(n, 2) x, y of each patch's centre, um."""
        return self.corners_um + self.patch_um / 2

    def keep(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> PatchGrid:
        """Return the grid with only some of its patches."""
        return PatchGrid(
            self.patch_um,
            self.stride_um,
            self.origin_um,
            self.shape,
            self.rows[chosen],
            self.cols[chosen],
            self.tissue_fraction[chosen],
        )

    def within(self, region_um: Box) -> PatchGrid:
        """Return the patches whose centre lies in x0 <= x < x1, y0 <= y < y1, um."""
        x, y = self.centres_um.T
        x0, y0, x1, y1 = region_um
        return self.keep((x >= x0) & (x < x1) & (y >= y0) & (y < y1))

    def at(self, x_um: float, y_um: float) -> int | None:
        """Return the patch that covers a place, the one with the nearest centre, or None."""
        if not len(self):
            return None
        distance = np.abs(self.centres_um - (x_um, y_um)).max(axis=1)
        nearest = int(distance.argmin())
        return nearest if distance[nearest] <= self.patch_um / 2 else None


def make_grid(
    he: SlideImage | None,
    mif: SlideImage | None,
    *,
    patch_um: float = 100.0,
    stride_um: float = 100.0,
    min_tissue: float = 0.5,
    mask: TissueMask | None = None,
) -> PatchGrid:
    """Lay patches over the tissue that all given images show.

    Parameters
    ----------
    he, mif : SlideImage or None
        At least one; with both, the grid covers their physical overlap.
    patch_um, stride_um : float, default 100
        Side of a patch and distance between neighbours, um.
    min_tissue : float, default 0.5
        Smallest share of tissue of a kept patch.
    mask : TissueMask, optional
        Where the tissue is; found on the H&E, else on the mIF, when left out.

    Returns
    -------
    PatchGrid
        Only patches that lie wholly inside every image.

    Raises
    ------
    HaikuError
        No image, images that do not overlap, an overlap smaller than one patch,
        no tissue, or an unknown pixel size.
    """
    images = [image for image in (he, mif) if image is not None]
    if not images:
        raise HaikuError("There is no image: give an H&E, an mIF or both.")
    for value, what in ((patch_um, "patch size"), (stride_um, "stride")):
        if not np.isfinite(value) or value <= 0:
            raise HaikuError(f"A {what} of {value:g} um is not possible: give a positive number.")
    x0, y0, x1, y1 = overlap_um(he, mif)
    for image in images:
        if patch_um < 4 * image.known_pixel_size_um:
            raise HaikuError(
                f"A patch of {patch_um:g} um has fewer than 4 pixels of {image.name}: choose "
                "larger patches or a finer image."
            )
    # An image that is a patch wide up to rounding of its pixel size still holds one.
    slack = 1e-6 * patch_um + min(image.known_pixel_size_um for image in images) * 0.5
    columns, rows = (
        int(np.floor((side - patch_um + slack) / stride_um)) + 1 for side in (x1 - x0, y1 - y0)
    )
    if rows < 1 or columns < 1:
        raise HaikuError(
            f"The image area of {x1 - x0:.0f} x {y1 - y0:.0f} um is smaller than one patch of "
            f"{patch_um:g} um: choose smaller patches."
        )
    shown = he if he is not None else images[0]
    found = tissue_mask(shown) if mask is None else mask
    require_tissue(found, shown.name)
    all_rows, all_columns = (a.ravel() for a in np.indices((rows, columns)))
    grid = PatchGrid(
        float(patch_um),
        float(stride_um),
        (float(x0), float(y0)),
        (rows, columns),
        all_rows.astype(np.int64),
        all_columns.astype(np.int64),
        np.zeros(rows * columns),
    )
    corners = grid.corners_um
    boxes = np.hstack([corners, corners + patch_um])
    fraction = found.fractions(boxes)
    for image in images:
        # A turned image leaves the corners of its rectangle empty.
        fraction[~image.covers(boxes)] = -1.0
    kept = grid.keep(fraction >= min_tissue)
    if not len(kept):
        raise HaikuError(
            f"No patch of {patch_um:g} um on {shown.name} is at least {min_tissue:.0%} tissue: "
            "choose smaller patches or check the image."
        )
    return PatchGrid(
        kept.patch_um,
        kept.stride_um,
        kept.origin_um,
        kept.shape,
        kept.rows,
        kept.cols,
        fraction[fraction >= min_tissue],
    )


def overlap_um(he: SlideImage | None, mif: SlideImage | None) -> Box:
    """Return the rectangle (x0, y0, x1, y1) that all given images cover, um.

    Raises
    ------
    HaikuError
        They have no area in common.
    """
    extents = np.array([image.extent_um for image in (he, mif) if image is not None])
    x0, y0 = extents[:, :2].max(axis=0)
    x1, y1 = extents[:, 2:].min(axis=0)
    if x1 <= x0 or y1 <= y0:
        names = " and ".join(image.name for image in (he, mif) if image is not None)
        raise HaikuError(
            f"{names} do not overlap physically: check their positions and pixel sizes, or give an "
            "affine."
        )
    return float(x0), float(y0), float(x1), float(y1)
