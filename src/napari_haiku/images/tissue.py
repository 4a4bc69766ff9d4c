"""Where on a slide there is tissue."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.morphology import remove_small_holes, remove_small_objects

from napari_haiku.errors import HaikuError
from napari_haiku.images.lazy import read
from napari_haiku.images.tissue_signal import lit
from napari_haiku.images.tissue_stain import stained

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dask.array as da
    from numpy.typing import NDArray

    from napari_haiku.images.slide_image import SlideImage

MASK_PIXEL_UM = 8.0
SMALLEST_PIECE_UM2 = 50.0**2
LARGEST_HOLE_UM2 = 40.0**2
# An overview is averaged further where it would have more pixels than this (34 mm x 34 mm at 8 um).
MOST_PIXELS = 2**24
_STRIP = 1024


@dataclass(frozen=True, eq=False)
class TissueMask:
    """A coarse mask in the physical frame.

    Parameters
    ----------
    mask : numpy.ndarray
        (y, x) bool, True on tissue.
    pixel_size_um : float
        Side of a mask pixel, um.
    origin_um : tuple of float
        (x, y) of the mask's top-left corner, um.
    threshold : float
        The value that separates glass from tissue: optical density for H&E, log
        intensity for mIF.
    """

    mask: NDArray[np.bool_]
    pixel_size_um: float
    origin_um: tuple[float, float]
    threshold: float

    @property
    def area_mm2(self) -> float:
        """Area of the tissue in mm2."""
        return float(self.mask.sum()) * self.pixel_size_um**2 / 1e6

    def describe(self, *, given: bool = False) -> dict[str, Any]:
        """Return what is saved with an encoding: threshold, who chose it, area."""
        return {
            "threshold": float(self.threshold),
            "chosen": "given" if given else "found",
            "area_mm2": self.area_mm2,
            "pixel_size_um": float(self.pixel_size_um),
        }

    def fraction(self, x0: float, y0: float, x1: float, y1: float) -> float:
        """Return the share of tissue in a rectangle of the physical frame, um."""
        box = np.array([[x0, y0, x1, y1]], dtype=float)
        return float(self.fractions(box)[0])

    def fractions(self, boxes_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of tissue in many rectangles.

        Parameters
        ----------
        boxes_um : numpy.ndarray
            (n, 4) of x0, y0, x1, y1 in the physical frame, um. What lies outside
            the mask holds no tissue.

        Returns
        -------
        numpy.ndarray
            (n,) between 0 and 1.
        """
        boxes = np.asarray(boxes_um, dtype=float).reshape(-1, 4)
        x = (boxes[:, [0, 2]] - self.origin_um[0]) / self.pixel_size_um
        y = (boxes[:, [1, 3]] - self.origin_um[1]) / self.pixel_size_um
        total = np.zeros((self.mask.shape[0] + 1, self.mask.shape[1] + 1), np.int32)
        self.mask.cumsum(axis=0, out=total[1:, 1:])
        total.cumsum(axis=1, out=total)

        def up_to(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
            at: NDArray[np.float64] = ndimage.map_coordinates(
                total, np.stack([rows, columns]), np.float64, order=1, mode="nearest"
            )
            return at

        tissue = (
            up_to(y[:, 1], x[:, 1])
            - up_to(y[:, 0], x[:, 1])
            - up_to(y[:, 1], x[:, 0])
            + up_to(y[:, 0], x[:, 0])
        )
        area = np.maximum((x[:, 1] - x[:, 0]) * (y[:, 1] - y[:, 0]), 1e-12)
        return np.clip(tissue / area, 0.0, 1.0)


def tissue_mask(
    image: SlideImage, *, pixel_size_um: float = MASK_PIXEL_UM, threshold: float | None = None
) -> TissueMask:
    """Find the tissue of an image on a coarse level.

    H&E: optical density against the slide's own glass, separated by Otsu's
    threshold held within limits that glass and tissue keep to; black borders
    and strongly coloured pen marks do not count. mIF: the mean over channels of
    log intensity, separated alike.

    Parameters
    ----------
    image : SlideImage
        An image whose pixel size is known.
    pixel_size_um : float, default 8
        Wanted side of a mask pixel; the nearest finer level is read and averaged.
    threshold : float, optional
        Where tissue begins, instead of the value found; in the unit of
        :attr:`TissueMask.threshold`.

    Raises
    ------
    HaikuError
        The pixel size is unknown, or the threshold is no positive number.
    """
    if threshold is not None and not 0 <= threshold < np.inf:
        raise HaikuError(f"A tissue threshold of {threshold:g} is not possible: give 0 or more.")
    level = image.level_for(pixel_size_um)
    size = image.level_pixel_size_um(level)
    rows, columns = image.level_shape(level)
    step = max(1, round(pixel_size_um / size), math.ceil(math.sqrt(rows * columns / MOST_PIXELS)))
    if image.modality == "he":
        mask, used = stained(_overview(image.levels[level], step, (0, 1)), threshold)
    else:
        mask, used = lit(_channels(image.levels[level], step), threshold)
    size *= step
    return TissueMask(_tidied(mask, size), size, image.origin_um, used)


def _channels(level: da.Array, step: int) -> Iterator[NDArray[np.float32]]:
    """Overview of every channel in turn; what is stored together is read together."""
    start = 0
    for depth in level.chunks[0]:
        together = _overview(level[start : start + depth], step, (1, 2))
        yield from np.nan_to_num(together.astype(np.float32))
        start += depth


def _overview(level: da.Array, step: int, axes: tuple[int, int]) -> NDArray[Any]:
    """Read a level in strips of rows, averaged over `step` x `step` pixels."""
    row_axis = axes[0]
    height = max(_STRIP // step, 1) * step
    shape = [-(-side // step) if axis in axes else side for axis, side in enumerate(level.shape)]
    out = np.empty(shape, level.dtype if step == 1 else np.float32)
    every = (slice(None),) * row_axis
    for top in range(0, level.shape[row_axis], height):
        strip = read(level[(*every, slice(top, top + height))])
        if step > 1:
            strip = _averaged(np.nan_to_num(strip.astype(np.float32)), step, axes)
        at = top // step
        out[(*every, slice(at, at + strip.shape[row_axis]))] = strip
    return out


def _averaged(pixels: NDArray[Any], step: int, axes: tuple[int, int]) -> NDArray[Any]:
    if step == 1:
        return pixels
    # The last row and column are repeated so that no strip of the image is lost.
    pad = [(0, -side % step) if a in axes else (0, 0) for a, side in enumerate(pixels.shape)]
    padded = np.pad(pixels, pad, mode="edge")
    first = axes[0]
    shape = padded.shape
    blocks = padded.reshape(
        *shape[:first],
        shape[first] // step,
        step,
        shape[first + 1] // step,
        step,
        *shape[first + 2 :],
    )
    mean: NDArray[Any] = blocks.mean(axis=(first + 1, first + 3))
    return mean


def _tidied(mask: NDArray[np.bool_], size: float) -> NDArray[np.bool_]:
    """Drop specks and fill pinholes."""
    smallest = max(int(SMALLEST_PIECE_UM2 / size**2), 1)
    hole = max(int(LARGEST_HOLE_UM2 / size**2), 1)
    mask = remove_small_objects(mask, max_size=smallest)
    tidy: NDArray[np.bool_] = remove_small_holes(mask, max_size=hole)
    return tidy


def require_tissue(mask: TissueMask, name: str) -> None:
    """Refuse an image without any tissue.

    Raises
    ------
    HaikuError
        The mask is empty.
    """
    if not mask.mask.any():
        raise HaikuError(f"No tissue was found on {name}: check that it is the right image.")
