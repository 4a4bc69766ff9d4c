"""How far the nuclei of an mIF lie from those of its H&E."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.color import rgb2hed

from napari_haiku.errors import HaikuError
from napari_haiku.images.grid import overlap_um
from napari_haiku.images.lazy import read
from napari_haiku.images.tissue import tissue_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.images.slide_image import SlideImage
    from napari_haiku.images.tissue import TissueMask

NUCLEAR_MARKERS = ("DAPI", "HH3", "Histone H3")
FINEST_UM = 1.3
BLOCK_PX = 256
LEAST_BLOCK_PX = 64
MOST_BLOCKS = 12
LEAST_BLOCKS = 3
# A peak that stands this many standard deviations above the rest is one of the tissue.
CLEAR_PEAK = 7.0
COARSE_UM = 5.0


@dataclass(frozen=True)
class Misregistration:
    """The residual shift between two images of one section.

    Parameters
    ----------
    shift_um : tuple of float or None
        (x, y) to add to the mIF's positions so that its nuclei lie on the H&E's;
        the median over blocks. None where it could not be measured.
    spread_um : float or None
        How much blocks differ: 1.48 times the median distance from that median.
    blocks, tried : int
        Blocks with a clear answer, and all that were looked at.
    pixel_size_um : float or None
        Side of the pixels that were compared.
    note : str
        What to know about it, in a sentence; empty where there is nothing.
    """

    shift_um: tuple[float, float] | None
    spread_um: float | None
    blocks: int
    tried: int
    pixel_size_um: float | None
    note: str = ""

    @property
    def distance_um(self) -> float | None:
        """Length of the shift."""
        return None if self.shift_um is None else float(np.hypot(*self.shift_um))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "shift_um": None if self.shift_um is None else list(self.shift_um),
            "distance_um": self.distance_um,
            "spread_um": self.spread_um,
            "blocks": self.blocks,
            "blocks_tried": self.tried,
            "pixel_size_um": self.pixel_size_um,
            "note": self.note,
            "sentence": self.sentence(),
        }

    def sentence(self) -> str:
        """Say it in words."""
        if self.distance_um is None:
            return f"The shift between H&E and mIF was not measured: {self.note}"
        return (
            f"The mIF lies {self.distance_um:.1f} um from the H&E, blocks differ by "
            f"{self.spread_um:.1f} um ({self.blocks} of {self.tried} blocks)."
            + (f" {self.note}" if self.note else "")
        )


def measure_misregistration(
    he: SlideImage, mif: SlideImage, *, mask: TissueMask | None = None
) -> Misregistration:
    """Compare haematoxylin with the nuclear channel on blocks of tissue.

    Each block's shift is the peak of the phase correlation of the two. Blocks
    without a clear peak do not count.

    Parameters
    ----------
    he, mif : SlideImage
        Two images of one section, in one physical frame.
    mask : TissueMask, optional
        Where tissue is; found on the H&E when left out.

    Raises
    ------
    HaikuError
        A pixel size is unknown, or the images do not overlap.
    """
    x0, y0, x1, y1 = overlap_um(he, mif)
    channel = nuclear_channel(mif)
    if channel is None:
        return _none("the mIF has no nuclear channel.")
    size = max(FINEST_UM, he.known_pixel_size_um, mif.known_pixel_size_um)
    # Small images are cut into at least three blocks a side, so that their answers can differ.
    side = min(BLOCK_PX * size, max(min(x1 - x0, y1 - y0) / 3, LEAST_BLOCK_PX * size))
    if side > min(x1 - x0, y1 - y0):
        return _none("the common area is too small.")
    blocks = _blocks((x0, y0, x1, y1), side, mask or tissue_mask(he), mif)
    found = []
    for x, y in blocks:
        try:
            stained, lit = _nuclei(he, mif, channel, (x, y, side, size))
        except HaikuError:
            # A damaged block has nothing to say here; whoever needs its pixels is told.
            continue
        shift, peak = _shift(stained, lit)
        if peak >= CLEAR_PEAK:
            found.append(shift * size)
    if len(found) < LEAST_BLOCKS:
        return _none("too few blocks have nuclei that can be matched.", len(found), len(blocks))
    shifts = np.array(found)
    centre = np.median(shifts, axis=0)
    spread = 1.4826 * float(np.median(np.hypot(*(shifts - centre).T)))
    note = f"With pixels of {size:.3g} um this is only a rough measure." if size > COARSE_UM else ""
    return Misregistration(
        (round(float(centre[0]), 3), round(float(centre[1]), 3)),
        round(spread, 3),
        len(found),
        len(blocks),
        float(size),
        note,
    )


def nuclear_channel(mif: SlideImage) -> int | None:
    """Return the channel that shows nuclei, None where there is none."""
    return next((mif.markers.index(name) for name in NUCLEAR_MARKERS if name in mif.markers), None)


def _nuclei(
    he: SlideImage, mif: SlideImage, channel: int, square: tuple[float, float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read one square (x, y, side, pixel size) as haematoxylin and as nuclear signal."""
    pixels = np.clip(np.moveaxis(_sampled(he, *square), 0, -1), 0, 255)
    lit = np.nan_to_num(_sampled(mif, *square, channel)[0])
    return rgb2hed(pixels.astype(np.uint8))[..., 0], np.log1p(np.clip(lit, 0, None))


def _none(note: str, blocks: int = 0, tried: int = 0) -> Misregistration:
    return Misregistration(None, None, blocks, tried, None, note)


def _blocks(
    area: tuple[float, float, float, float], side: float, mask: TissueMask, mif: SlideImage
) -> list[tuple[float, float]]:
    """Spread blocks over the tissue that both images show."""
    x0, y0, x1, y1 = area
    columns, rows = (max(int((b - a) // side), 1) for a, b in ((x0, x1), (y0, y1)))
    corners = np.array(
        [
            (x, y)
            for y in np.linspace(y0, y1 - side, rows)
            for x in np.linspace(x0, x1 - side, columns)
        ]
    )
    boxes = np.hstack([corners, corners + side])
    tissue = mask.fractions(boxes)
    tissue[~mif.covers(boxes)] = 0
    chosen = np.flatnonzero(tissue >= min(0.3, float(tissue.max())))
    if len(chosen) > MOST_BLOCKS:
        # Evenly over the slide rather than only where tissue is densest.
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST_BLOCKS).astype(int)]
    return [(float(x), float(y)) for x, y in corners[chosen]]


def _sampled(
    image: SlideImage, x: float, y: float, side: float, size: float, channel: int | None = None
) -> NDArray[np.float64]:
    """Read a square of an image at another pixel size, channels first."""
    level = image.level_for(size)
    own = image.level_pixel_size_um(level)
    left, top = ((x - image.origin_um[0]) / own, (y - image.origin_um[1]) / own)
    span, margin = side / own, 2
    y0, x0 = max(int(top) - margin, 0), max(int(left) - margin, 0)
    y1, x1 = int(top + span) + margin + 1, int(left + span) + margin + 1
    if image.modality == "he":
        pixels = np.moveaxis(image.read_region(level, y0, y1, x0, x1), -1, 0)
    elif channel is not None:
        rows, columns = image.level_shape(level)
        plane = image.levels[level][channel, y0 : min(y1, rows), x0 : min(x1, columns)]
        pixels = read(plane)[None]
    else:
        pixels = image.read_region(level, y0, y1, x0, x1)
    step = size / own
    count = int(side / size)
    start = np.array([top - y0, left - x0]) + 0.5 * step - 0.5
    out = np.empty((len(pixels), count, count))
    for plane, rows_read in zip(out, pixels.astype(np.float64), strict=True):
        smooth = ndimage.gaussian_filter(rows_read, 0.5 * (step - 1)) if step > 1.2 else rows_read
        plane[...] = ndimage.affine_transform(
            smooth, np.full(2, step), start, output_shape=plane.shape, order=1, mode="nearest"
        )
    return out


def _shift(fixed: NDArray[Any], moving: NDArray[Any]) -> tuple[NDArray[np.float64], float]:
    """Return (x, y) by which `moving` must go to lie on `fixed`, px, and how clear the peak is."""
    window = np.hanning(fixed.shape[0])[:, None] * np.hanning(fixed.shape[1])
    a, b = (
        np.fft.rfft2((plane - ndimage.gaussian_filter(plane, 12.0)) * window)
        for plane in (fixed, moving)
    )
    cross = a * np.conj(b)
    size = np.abs(cross)
    if not size.max() > 0:
        return np.zeros(2), 0.0
    fy = np.fft.fftfreq(fixed.shape[0])[:, None]
    fx = np.fft.rfftfreq(fixed.shape[1])[None]
    # Below the size of a nucleus the two stains have nothing in common.
    passed = np.exp(-(fy**2 + fx**2) / (2 * 0.12**2))
    surface = np.fft.irfft2(cross / np.maximum(size, 1e-9 * size.max()) * passed, s=fixed.shape)
    most = [side // 4 for side in fixed.shape]
    near = np.roll(surface, most, axis=(0, 1))[: 2 * most[0] + 1, : 2 * most[1] + 1]
    row, column = np.unravel_index(int(near.argmax()), near.shape)
    peak = float((near[row, column] - surface.mean()) / surface.std())
    at = [
        place - half + _between(line, int(place))
        for place, half, line in (
            (column, most[1], near[row]),
            (row, most[0], near[:, column]),
        )
    ]
    return np.array(at, dtype=float), peak


def _between(line: NDArray[Any], at: int) -> float:
    """Return where between pixels a parabola through the peak is highest."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, here, after = (float(line[at + step]) for step in (-1, 0, 1))
    bend = before - 2 * here + after
    return 0.0 if bend >= 0 else 0.5 * (before - after) / bend
