"""A drawn region of tissue: polygons with holes, in um of the slide's physical frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_ELLIPSE_CORNERS = 64


@dataclass(frozen=True, eq=False)
class Region:
    """One annotation.

    Parameters
    ----------
    name : str
        What the person called it.
    polygons : tuple of tuple of ndarray
        Polygons of rings, each ring (n, 2) of x, y in um; the first ring of a
        polygon is its outline, further ones are holes.
    kind : str
        Its class, such as "Tumour"; "" without one.
    """

    name: str
    polygons: tuple[tuple[NDArray[np.float64], ...], ...]
    kind: str = ""

    def __post_init__(self) -> None:
        if not self.polygons or any(not rings for rings in self.polygons):
            raise HaikuError(f"The region {self.name} has no outline: draw it again.")
        for ring in self.rings():
            if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3:
                raise HaikuError(
                    f"The region {self.name} has an outline of fewer than three corners: "
                    "draw it again."
                )
            if not np.isfinite(ring).all():
                raise HaikuError(
                    f"The region {self.name} has a corner without a place: draw it again."
                )

    @classmethod
    def of_box(cls, name: str, box_um: tuple[float, float, float, float]) -> Region:
        """Make a rectangle from x0, y0, x1, y1."""
        x0, y0, x1, y1 = box_um
        return cls(name, ((np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]),),))

    def rings(self) -> Iterator[NDArray[np.float64]]:
        """Go through every ring of every polygon."""
        for rings in self.polygons:
            yield from rings

    @property
    def area_um2(self) -> float:
        """Area inside the outlines and outside the holes."""
        return float(
            sum(
                max(0.0, _area(rings[0]) - sum(_area(hole) for hole in rings[1:]))
                for rings in self.polygons
            )
        )

    @property
    def box_um(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 around it."""
        corners = np.concatenate(list(self.rings()))
        (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
        return float(x0), float(y0), float(x1), float(y1)

    def contains(self, points_um: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which points (n, 2) of x, y lie inside."""
        from skimage.measure import points_in_poly

        points = np.asarray(points_um, np.float64).reshape(-1, 2)
        inside = np.zeros(len(points), bool)
        x0, y0, x1, y1 = self.box_um
        near = np.flatnonzero(
            (points[:, 0] >= x0)
            & (points[:, 0] <= x1)
            & (points[:, 1] >= y0)
            & (points[:, 1] <= y1)
        )
        if not len(near):
            return inside
        for rings in self.polygons:
            covered = np.asarray(points_in_poly(points[near], rings[0]), bool)
            for hole in rings[1:]:
                covered &= ~np.asarray(points_in_poly(points[near], hole), bool)
            inside[near] |= covered
        return inside


def ellipse(corners_um: NDArray[Any]) -> NDArray[np.float64]:
    """Outline of the ellipse that touches the sides of a parallelogram (4, 2)."""
    corners = np.asarray(corners_um, np.float64)
    centre = corners.mean(axis=0)
    across, down = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    turn = np.linspace(0, 2 * np.pi, _ELLIPSE_CORNERS, endpoint=False)[:, None]
    outline: NDArray[np.float64] = centre + np.cos(turn) * across + np.sin(turn) * down
    return outline


def _area(ring: NDArray[np.float64]) -> float:
    x, y = (ring - ring[0]).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
