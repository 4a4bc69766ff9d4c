"""Where on a slide there is tissue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.morphology import remove_small_holes, remove_small_objects

from napari_haiku.errors import HaikuError
from napari_haiku.images.lazy import read

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.images.slide_image import SlideImage

MASK_PIXEL_UM = 8.0
SMALLEST_PIECE_UM2 = 50.0**2
LARGEST_HOLE_UM2 = 40.0**2
# Optical density (sum over red, green and blue) between which glass must end and tissue begin.
DENSITY_LIMITS = (0.06, 0.2)
# Denser values say nothing about where glass ends, and would pull Otsu's threshold into the tissue.
_DENSITY_CEILING = 0.3
_DENSITY_WITHOUT_GLASS = 0.1
_LEAST_COLOUR = 5
_PLAIN_GLASS = np.full(3, 242.0, np.float32)
# The same for mIF: mean log signal over channels, 0 the darkest and 1 the brightest of each.
SIGNAL_LIMITS = (0.01, 0.1)
_SIGNAL_CEILING = 0.05
_BLACK = 40
# From the darkest pixels of glass to its brightest, in standard deviations of its noise.
_NOISE_WIDTHS = 6.0
# What a Gaussian of one pixel leaves of the noise between pixels.
_LEFT_BY_SMOOTHING = 0.28
# Distance of two heaps, in the sum of their widths; the halves of a single heap stay below.
_APART = 2.0


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
        total = np.zeros((self.mask.shape[0] + 1, self.mask.shape[1] + 1))
        total[1:, 1:] = self.mask.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)

        def up_to(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
            at: NDArray[np.float64] = ndimage.map_coordinates(
                total, np.stack([rows, columns]), order=1, mode="nearest"
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
    pixels = read(image.levels[level])
    step = max(1, round(pixel_size_um / size))
    if image.modality == "he":
        pixels = _averaged(pixels.astype(np.float32), step, (0, 1))
        mask, used = _stained(pixels, threshold)
    else:
        pixels = _averaged(np.nan_to_num(pixels.astype(np.float32)), step, (1, 2))
        mask, used = _lit(pixels, threshold)
    size *= step
    return TissueMask(_tidied(mask, size), size, image.origin_um, used)


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


def _stained(rgb: NDArray[np.float32], given: float | None) -> tuple[NDArray[np.bool_], float]:
    """Separate stained tissue from glass by optical density."""
    black = rgb.max(axis=2) < _BLACK
    glass = _glass_colour(rgb, black)
    white = _PLAIN_GLASS if glass is None else glass
    absorbed = np.clip(-np.log10(np.maximum(rgb, 1.0) / white), 0.0, None)
    density = ndimage.gaussian_filter(absorbed.sum(axis=2), 0.7)
    usable = density[~black]
    if usable.size == 0:
        return np.zeros(black.shape, bool), DENSITY_LIMITS[1]
    low, high = DENSITY_LIMITS
    threshold: float = _DENSITY_WITHOUT_GLASS
    if given is not None:
        threshold = given
    elif glass is not None:
        threshold = float(np.clip(_otsu(np.minimum(usable, _DENSITY_CEILING)), low, high))
    mask = (density > threshold) & ~black & ~_pen(rgb, absorbed)
    # Grey dirt and shadows absorb all colours alike; haematoxylin and eosin spare some.
    balanced = rgb * (255.0 / white)
    colourful = ndimage.gaussian_filter(np.ptp(balanced, axis=2), 0.7) > _LEAST_COLOUR
    return mask & colourful, threshold


def _glass_colour(rgb: NDArray[np.float32], black: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """Return the colour of the bare glass, None where the image shows none.

    Glass is bright, near grey and, unlike pale tissue, flat.
    """
    least = rgb.min(axis=2)
    mean = ndimage.uniform_filter(least, 3)
    spread = np.sqrt(np.maximum(ndimage.uniform_filter(least**2, 3) - mean**2, 0))
    flat = (least > 205) & (np.ptp(rgb, axis=2) < 20) & (spread < 2.0) & ~black
    glass = rgb[flat]
    share = len(glass) / max(int((~black).sum()), 1)
    if share < 0.005:
        return None
    colour: NDArray[np.float32] = np.percentile(glass, 75, axis=0).astype(np.float32)
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


def _lit(channels: NDArray[np.float32], given: float | None) -> tuple[NDArray[np.bool_], float]:
    """Separate tissue from empty slide by log intensity, averaged over channels."""
    logs = np.log1p(np.clip(channels, 0, None))
    black = np.percentile(logs, 0.5, axis=(1, 2), keepdims=True)
    span = np.percentile(logs, 99.5, axis=(1, 2), keepdims=True) - black
    useful = span[:, 0, 0] > 0
    if not useful.any():
        return np.zeros(channels.shape[1:], bool), 0.0
    scaled = np.clip((logs[useful] - black[useful]) / span[useful], 0, 1)
    signal = ndimage.gaussian_filter(scaled.mean(axis=0), 1.0)
    dark = float(np.percentile(signal, 0.5))
    if given is not None:
        return signal > given, given
    low, high = SIGNAL_LIMITS
    above = float(np.clip(_otsu(np.minimum(signal - dark, _SIGNAL_CEILING)), low, high))
    # Where few photons were counted, the noise of bare glass alone reaches over these limits.
    noise = _NOISE_WIDTHS * _LEFT_BY_SMOOTHING * _noise(scaled.mean(axis=0))
    raised = min(noise, float(signal.max() - dark) / 2)
    if raised > above and _two_heaps(signal, dark + raised):
        above = raised
    return signal > dark + above, dark + above


def _noise(pixels: NDArray[np.float32]) -> float:
    """Return the pixel noise of the flattest tenth of an image: glass, where there is any.

    The mask blanks out every slope and edge, so that tissue counts as little as can be.
    """
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    rough = ndimage.convolve(pixels, mask)
    return float(np.percentile(np.sqrt(np.maximum(ndimage.uniform_filter(rough**2, 9), 0)), 10))


def _two_heaps(signal: NDArray[np.float32], threshold: float) -> bool:
    """Tell whether a threshold parts glass from tissue, and not grainy tissue in two."""
    lit = signal > threshold
    if lit.all() or not lit.any():
        return False
    low, high = signal[~lit], signal[lit]
    return bool(high.mean() - low.mean() > _APART * (low.std() + high.std()))


def _otsu(values: NDArray[Any]) -> float:
    if values.size == 0 or float(values.min()) == float(values.max()):
        return float(values.flat[0]) if values.size else 0.0
    return float(threshold_otsu(values))


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
