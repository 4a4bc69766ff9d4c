"""An affine between two physical frames, in um, and the files that carry one."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

# Beyond these factors two images of one section cannot lie on each other.
SMALLEST_SCALE, LARGEST_SCALE = 0.01, 100.0
_KEYS = ("affine_um", "affine", "matrix")


@dataclass(frozen=True)
class Affine:
    """x' = a x + b y + e, y' = c x + d y + f, all in um.

    Parameters
    ----------
    rows : tuple
        ((a, b, e), (c, d, f)).
    """

    rows: tuple[tuple[float, float, float], tuple[float, float, float]]

    @classmethod
    def of(cls, matrix: ArrayLike, name: str = "The affine") -> Affine:
        """Check a 2 x 3 or 3 x 3 matrix.

        Raises
        ------
        HaikuError
            Another shape, no numbers, a perspective, or one that flattens or
            magnifies beyond what two images of one section can need.
        """
        try:
            values = np.asarray(matrix, dtype=float)
        except (TypeError, ValueError) as error:
            raise HaikuError(f"{name} is no 2 x 3 or 3 x 3 matrix of numbers.") from error
        if values.shape not in ((2, 3), (3, 3)) or not np.isfinite(values).all():
            raise HaikuError(
                f"{name} is no 2 x 3 or 3 x 3 matrix of numbers: give rows of x, y and shift in um."
            )
        if values.shape == (3, 3) and not np.allclose(values[2], (0, 0, 1)):
            raise HaikuError(
                f"{name} is no affine, its last row being {' '.join(f'{v:g}' for v in values[2])}: "
                "the last row must be 0 0 1."
            )
        scales = np.linalg.svd(values[:2, :2], compute_uv=False)
        if scales.min() < SMALLEST_SCALE or scales.max() > LARGEST_SCALE:
            raise HaikuError(
                f"{name} scales by {scales.min():.3g} to {scales.max():.3g}, which cannot be right "
                "between two images of one section: give it in um, not in pixels."
            )
        (a, b, e), (c, d, f) = ([float(v) for v in row] for row in values[:2])
        return cls(((a, b, e), (c, d, f)))

    @property
    def linear(self) -> NDArray[np.float64]:
        """The 2 x 2 part."""
        return np.array([row[:2] for row in self.rows])

    @property
    def shift(self) -> NDArray[np.float64]:
        """Where the origin goes, um."""
        return np.array([row[2] for row in self.rows])

    @property
    def scale(self) -> float:
        """The side of a unit square's image, taken as a square."""
        return math.sqrt(abs(float(np.linalg.det(self.linear))))

    @property
    def is_plain(self) -> bool:
        """Whether it only moves and scales, so that no pixel needs resampling."""
        return bool(np.allclose(self.linear, np.eye(2) * self.scale, rtol=0, atol=1e-9))

    def apply(self, points: ArrayLike) -> NDArray[np.float64]:
        """Map points (n, 2) of x, y."""
        mapped: NDArray[np.float64] = np.asarray(points, float) @ self.linear.T + self.shift
        return mapped

    def inverse(self) -> Affine:
        """Return the way back."""
        linear = np.linalg.inv(self.linear)
        return Affine.of(np.column_stack([linear, -linear @ self.shift]))

    def to_list(self) -> list[list[float]]:
        """Return the 3 x 3 matrix in plain values."""
        return [*(list(row) for row in self.rows), [0.0, 0.0, 1.0]]


def affine_from_napari(matrix: ArrayLike, name: str) -> Affine:
    """Turn napari's order of axes, (y, x), into x and y.

    Parameters
    ----------
    matrix : array
        Homogeneous matrix whose last three rows and columns are y, x and shift.
    name : str
        The layer, for messages.
    """
    values = np.asarray(matrix, dtype=float)[-3:-1, -3:]
    return Affine.of(values[np.ix_([1, 0], [1, 0, 2])], name)


def read_affine(path: Path) -> Affine:
    """Read an affine from a file.

    Parameters
    ----------
    path : Path
        JSON (a matrix, or an object with ``affine_um``, ``affine`` or ``matrix``),
        or a text table of 2 or 3 rows of three numbers.

    Raises
    ------
    HaikuError
        The file is absent or holds no affine.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise HaikuError(
            f"{path.name} cannot be read ({error.strerror}): check the path of the affine."
        ) from error
    except UnicodeDecodeError as error:
        raise HaikuError(f"{path.name} is no text: give an affine as JSON or CSV.") from error
    content: Any
    if text.startswith(("{", "[")):
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise HaikuError(f"{path.name} is not valid JSON: write the affine again.") from error
        if isinstance(content, dict):
            key = next((key for key in _KEYS if key in content), None)
            if key is None:
                raise HaikuError(f"{path.name} has no affine_um: give a 2 x 3 or 3 x 3 matrix.")
            content = content[key]
    else:
        content = [
            [cell for cell in row if cell.strip()]
            for row in csv.reader(io.StringIO(_with_commas(text)))
            if any(cell.strip() for cell in row)
        ]
    return Affine.of(content, path.name)


def _with_commas(text: str) -> str:
    for mark in (";", "\t"):
        text = text.replace(mark, ",")
    return text if "," in text else "\n".join(",".join(line.split()) for line in text.splitlines())
