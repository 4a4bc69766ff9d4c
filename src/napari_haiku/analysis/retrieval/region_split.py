"""Cutting one slide in two, so that one part can be tested against the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def split_left_right(
    centres_um: NDArray[Any], *, at: float = 0.5, gap_um: float = 0.0
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Choose the patches on the left and on the right of a vertical line.

    Parameters
    ----------
    centres_um : ndarray, shape (n, 2)
        Patch centres (x, y).
    at : float
        Where the line lies, as a share of the width that the patches span.
    gap_um : float
        Width of the strip around the line whose patches belong to neither part.

    Returns
    -------
    left, right : ndarray of bool, shape (n,)
        Selections of rows.

    Raises
    ------
    HaikuError
        One of the two parts holds no patch.
    """
    x = np.asarray(centres_um, np.float64)[:, 0]
    line = x.min() + at * (x.max() - x.min()) if len(x) else 0.0
    left = x <= line - gap_um / 2
    right = x > line + gap_um / 2
    if not left.any() or not right.any():
        raise HaikuError(
            "The slide is too narrow to be cut into a left and a right part: "
            "use a wider slide or a smaller gap."
        )
    return left, right
