"""Points of the map of patches as a picture: as many as there are, drawn in a few milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.viewer.layers.colormaps import niche_colour, rgb_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# A point is drawn larger than a pixel as long as there is room for it.
_ROOMY_SHARES = ((0.002, 2), (0.03, 1))
_FAINTEST = 0.55
_DIMMED = 0.22
_MARGIN = 0.06
# Pixels from a point at which the pointer still means it.
_REACH = 6
_NO_NICHE = (0.6, 0.6, 0.6)


@dataclass(frozen=True)
class View:
    """Which part of the map is in view; moving it moves no point.

    Parameters
    ----------
    centre : tuple of float
        Middle of the view, in the map's units.
    span : float
        Units along the shorter side of the picture.
    """

    centre: tuple[float, float]
    span: float

    @classmethod
    def of_all(cls, points: NDArray[np.floating], size: tuple[int, int]) -> View:
        """Show every point, in a picture of (width, height)."""
        known = points[np.isfinite(points).all(axis=1)]
        if not len(known):
            return cls((0.0, 0.0), 1.0)
        low, high = known.min(axis=0), known.max(axis=0)
        middle = (low + high) / 2
        extent = np.maximum(high - low, 1e-6) * (1 + 2 * _MARGIN)
        width, height = (max(1, side) for side in size)
        per_pixel = max(float(extent[0]) / width, float(extent[1]) / height)
        return cls((float(middle[0]), float(middle[1])), per_pixel * min(width, height))

    def units_per_pixel(self, size: tuple[int, int]) -> float:
        """Units of the map along one pixel of a picture of (width, height)."""
        return self.span / max(1, min(size))

    def to_map(self, x: float, y: float, size: tuple[int, int]) -> tuple[float, float]:
        """Place of the map under a pixel."""
        unit = self.units_per_pixel(size)
        return (
            self.centre[0] + (x - size[0] / 2) * unit,
            self.centre[1] - (y - size[1] / 2) * unit,
        )

    def zoomed(self, factor: float, x: float, y: float, size: tuple[int, int]) -> View:
        """Zoom in (factor above 1) about a pixel, which stays where it is."""
        at = self.to_map(x, y, size)
        span = self.span / factor
        middle = tuple(
            fixed + (old - fixed) / factor for fixed, old in zip(at, self.centre, strict=True)
        )
        return View((middle[0], middle[1]), span)

    def moved(self, dx: float, dy: float, size: tuple[int, int]) -> View:
        """Drag the map by pixels."""
        unit = self.units_per_pixel(size)
        return View((self.centre[0] - dx * unit, self.centre[1] + dy * unit), self.span)


class PatchCloud:
    """Points of the map, ready to be drawn again and again from any view.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Where the patches lie on the map; NaN: not there.
    seed : int
        Seed of the order in which points are drawn: of several on one pixel
        the last is seen, so a fair order shows the shares of the niches.
    """

    def __init__(self, points: NDArray[np.floating], seed: int = 0) -> None:
        self.points = np.asarray(points, np.float32)
        self._order = np.random.default_rng(seed).permutation(len(points))
        self._x = np.ascontiguousarray(self.points[self._order, 0])
        self._y = np.ascontiguousarray(self.points[self._order, 1])

    def __len__(self) -> int:
        return len(self.points)

    def draw(
        self,
        niches: NDArray[np.integer],
        view: View,
        size: tuple[int, int],
        *,
        lit: NDArray[np.bool_] | None = None,
        scale: float = 1.0,
    ) -> NDArray[np.uint8]:
        """Draw the points in the colours of their niches, denser ones more opaque.

        Parameters
        ----------
        niches : ndarray of int, shape (n,)
            Niche of each, 0 for none.
        view : View
            What is in view.
        size : (width, height)
            Of the picture, pixels.
        lit : ndarray of bool, shape (n,), optional
            Points to light up; the others are dimmed.
        scale : float
            Pixels of the picture per point of the screen.

        Returns
        -------
        ndarray of uint8, shape (height, width, 4)
            Transparent where nothing lies.
        """
        width, height = size
        places, kept = self._pixels(view, size)
        own = self._order[kept]
        shown = np.asarray(niches)[own].astype(np.uint8)
        picture = np.zeros((height, width, 4), np.uint8)
        if lit is None or not lit.any():
            _paint(picture, places, shown, 1.0, scale)
        else:
            on = lit[own]
            _paint(picture, places[~on], shown[~on], _DIMMED, scale)
            _paint(picture, places[on], shown[on], 1.0, scale)
        return picture

    def inside(
        self, view: View, size: tuple[int, int], lasso: Sequence[tuple[float, float]]
    ) -> NDArray[np.bool_]:
        """Which points lie inside a lasso drawn on the picture, to the pixel.

        Parameters
        ----------
        view, size
            What was in view when the lasso was drawn.
        lasso : sequence of (x, y)
            Its corners in pixels; closed by itself.
        """
        from skimage.draw import polygon

        width, height = size
        found = np.zeros(len(self), bool)
        if len(lasso) < 3:
            return found
        drawn = np.zeros((height, width), bool)
        corners = np.asarray(lasso, float)
        rows, cols = polygon(corners[:, 1], corners[:, 0], (height, width))
        drawn[rows, cols] = True
        places, kept = self._pixels(view, size)
        found[self._order[kept]] = drawn.ravel()[places]
        return found

    def nearest(self, view: View, size: tuple[int, int], x: float, y: float) -> int | None:
        """Point nearest to a pixel, None where none is within a few pixels."""
        if not len(self):
            return None
        unit = view.units_per_pixel(size)
        at_x, at_y = view.to_map(x, y, size)
        away = np.hypot(self._x - np.float32(at_x), self._y - np.float32(at_y))
        if not np.isfinite(away).any():
            return None
        place = int(np.nanargmin(away))
        return int(self._order[place]) if away[place] <= _REACH * unit else None

    def pixel_of(self, point: int, view: View, size: tuple[int, int]) -> tuple[float, float] | None:
        """Where a point lies in the picture; None where it has no place or is out of view."""
        unit = view.units_per_pixel(size)
        x = (float(self.points[point, 0]) - view.centre[0]) / unit + size[0] / 2
        y = size[1] / 2 - (float(self.points[point, 1]) - view.centre[1]) / unit
        inside = 0 <= x < size[0] and 0 <= y < size[1]
        return (x, y) if inside else None

    def _pixels(
        self, view: View, size: tuple[int, int]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        width, height = size
        unit = np.float32(view.units_per_pixel(size))
        x = (self._x - np.float32(view.centre[0])) / unit + np.float32(width / 2)
        y = np.float32(height / 2) - (self._y - np.float32(view.centre[1])) / unit
        # NaN compares false and falls out here.
        kept = np.flatnonzero((x >= 0) & (x < width) & (y >= 0) & (y < height))
        return y[kept].astype(np.int32) * np.int32(width) + x[kept].astype(np.int32), kept


def _paint(
    picture: NDArray[np.uint8],
    places: NDArray[np.int32],
    niches: NDArray[np.uint8],
    strength: float,
    scale: float,
) -> None:
    if not len(places):
        return
    height, width = picture.shape[:2]
    counts = np.bincount(places, minlength=height * width)
    # 0 is empty, 1 no niche, 2 the first niche.
    seen = np.zeros(height * width, np.uint8)
    seen[places] = niches + 1
    alpha = np.log1p(counts) * (1 / np.log1p(int(counts.max())))
    alpha = np.where(counts > 0, _FAINTEST + (1 - _FAINTEST) * alpha, 0) * (255 * strength)
    seen, cover = seen.reshape(height, width), alpha.astype(np.uint8).reshape(height, width)
    share = len(places) / (height * width)
    radius = round(next((reach for most, reach in _ROOMY_SHARES if share < most), 0) * scale)
    if radius:
        seen, cover = _spread(seen, cover, radius)
    colours = np.zeros((256, 3), np.uint8)
    for code in np.unique(seen[seen > 0]):
        colour = rgb_of(niche_colour(int(code) - 1)) if code > 1 else _NO_NICHE
        colours[code] = np.round(np.array(colour) * 255)
    there = seen > 0
    picture[there, :3] = colours[seen[there]]
    picture[there, 3] = cover[there]


def _spread(
    seen: NDArray[np.uint8], cover: NDArray[np.uint8], radius: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Let each pixel's point cover a small disc where nothing lies yet."""
    wide, thick = seen.copy(), cover.copy()
    height, width = seen.shape
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dx * dx + dy * dy > radius * radius + 0.5:
                continue
            to = (_shifted(dy, height)[0], _shifted(dx, width)[0])
            by = (_shifted(dy, height)[1], _shifted(dx, width)[1])
            empty = (wide[to] == 0) & (seen[by] > 0)
            wide[to][empty] = seen[by][empty]
            thick[to][empty] = cover[by][empty]
    return wide, thick


def _shifted(by: int, length: int) -> tuple[slice, slice]:
    if by >= 0:
        return slice(by, length), slice(0, length - by)
    return slice(0, length + by), slice(-by, length)
