"""Pairs of the same place on two images, and the affine between them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.images.affine import Affine

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_haiku.images.slide_image import SlideImage

LEAST_PAIRS = 3
# The thinner of the two spreads of the points, as a share of the wider one.
_ON_A_LINE = 0.01
_PAIR_COLUMNS = ("he_x", "he_y", "mif_x", "mif_y")


@dataclass(frozen=True)
class LandmarkFit:
    """An affine fitted to pairs of landmarks.

    Parameters
    ----------
    affine : Affine
        From the moving image's frame to the fixed one's, um.
    residuals_um : tuple of float
        How far each moved landmark ends from its partner, um.
    left_out_um : tuple of float
        The same for each pair with an affine fitted to all others: the target
        error to expect elsewhere. Empty with fewer than four pairs.
    """

    affine: Affine
    residuals_um: tuple[float, ...]
    left_out_um: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as saved and as `read_affine` takes them."""
        residuals = np.array(self.residuals_um)
        left_out = np.array(self.left_out_um)
        return {
            "affine_um": self.affine.to_list(),
            "method": "landmarks",
            "pairs": len(self.residuals_um),
            "residual_um": float(np.sqrt((residuals**2).mean())),
            "largest_residual_um": float(residuals.max()),
            "target_error_um": float(np.median(left_out)) if len(left_out) else None,
            "largest_target_error_um": float(left_out.max()) if len(left_out) else None,
        }


def fit_landmarks(fixed_um: NDArray[Any], moving_um: NDArray[Any]) -> LandmarkFit:
    """Fit an affine by least squares.

    Parameters
    ----------
    fixed_um, moving_um : numpy.ndarray
        (n, 2) of x, y in the two physical frames, um; row by row the same place.

    Raises
    ------
    HaikuError
        Fewer than three pairs, points on one line, or numbers that differ.
    """
    fixed, moving = np.asarray(fixed_um, float), np.asarray(moving_um, float)
    if fixed.shape != moving.shape or fixed.ndim != 2 or fixed.shape[1] != 2:
        raise HaikuError(
            f"There are {len(fixed)} landmarks on one image and {len(moving)} on the other: give "
            "them in pairs."
        )
    if len(fixed) < LEAST_PAIRS:
        raise HaikuError(
            f"{len(fixed)} pairs of landmarks do not fix an affine: give at least {LEAST_PAIRS}."
        )
    if not (np.isfinite(fixed).all() and np.isfinite(moving).all()):
        raise HaikuError("A landmark's position is no number: give x and y of every landmark.")
    for points in (fixed, moving):
        spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
        if spread[1] <= _ON_A_LINE * spread[0]:
            raise HaikuError(
                "The landmarks lie on one line, which leaves the affine open: add one beside it."
            )
    affine = _fitted(fixed, moving)
    residuals = _distances(affine, fixed, moving)
    left_out = []
    if len(fixed) > LEAST_PAIRS:
        for one in range(len(fixed)):
            others = np.arange(len(fixed)) != one
            without = _fitted(fixed[others], moving[others])
            left_out.append(_distances(without, fixed[[one]], moving[[one]])[0])
    return LandmarkFit(affine, tuple(residuals), tuple(left_out))


def _fitted(fixed: NDArray[np.float64], moving: NDArray[np.float64]) -> Affine:
    # Centred, so that slides far from the origin lose no digits.
    there, here = fixed.mean(axis=0), moving.mean(axis=0)
    linear = np.linalg.lstsq(moving - here, fixed - there, rcond=None)[0].T
    return Affine.of(np.column_stack([linear, there - linear @ here]), "The affine of these pairs")


def _distances(
    affine: Affine, fixed: NDArray[np.float64], moving: NDArray[np.float64]
) -> list[float]:
    return [float(d) for d in np.hypot(*(affine.apply(moving) - fixed).T)]


def read_points(path: Path) -> NDArray[np.float64]:
    """Read the landmarks of one image: a table with the columns X and Y.

    Raises
    ------
    HaikuError
        The file is absent, has no such columns, or a value is no number.
    """
    return _columns(path, ("x", "y"))


def read_pairs(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read pairs from one table with the columns he_x, he_y, mif_x and mif_y.

    Raises
    ------
    HaikuError
        As for :func:`read_points`.
    """
    values = _columns(path, _PAIR_COLUMNS)
    return values[:, :2], values[:, 2:]


def _columns(path: Path, wanted: tuple[str, ...]) -> NDArray[np.float64]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise HaikuError(
            f"{path.name} cannot be read as text: check the path of the landmarks."
        ) from error
    lines = text.splitlines()
    delimiter = max(",;\t", key=(lines[0] if lines else "").count)
    table = csv.DictReader(lines, delimiter=delimiter)
    names = {
        (name or "").strip().casefold().removesuffix("_um"): name for name in table.fieldnames or ()
    }
    missing = [name for name in wanted if name not in names]
    if missing:
        raise HaikuError(
            f"{path.name} has no column {missing[0]}: landmarks need {', '.join(wanted)}."
        )
    try:
        rows = [[float(row[names[name]]) for name in wanted] for row in table]
    except (TypeError, ValueError) as error:
        raise HaikuError(
            f"{path.name} has a landmark whose position is no number: correct the table."
        ) from error
    return np.array(rows, dtype=float).reshape(-1, len(wanted))


def pixels_to_um(points: NDArray[np.float64], image: SlideImage) -> NDArray[np.float64]:
    """Turn pixel indices (x, y), whose whole numbers are pixel centres, into the frame's um."""
    placed: NDArray[np.float64] = (points + 0.5) * image.known_pixel_size_um + image.origin_um
    return placed
