"""Marker means of each atlas patient within each niche."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_PATCHES = 3
_ROWS_AT_ONCE = 65_536


def patient_niche_means(
    values: NDArray[Any],
    patients: NDArray[np.int64],
    places: NDArray[np.int64],
    *,
    n_patients: int,
    n_niches: int,
) -> NDArray[np.float64]:
    """Average marker values over each patient's patches of each niche.

    Parameters
    ----------
    values : ndarray, shape (rows, markers)
        Marker values, NaN where not measured.
    patients, places : ndarray of int64, shape (rows,)
        Patient and niche of each row as numbers from 0; -1 leaves a row out.
    n_patients, n_niches : int
        Size of the result.

    Returns
    -------
    ndarray of float64, shape (patients, niches, markers)
        NaN where fewer than three patches measured the marker.
    """
    n_markers = values.shape[1]
    total = np.zeros((n_patients * n_niches, n_markers))
    patches = np.zeros((n_patients * n_niches, n_markers), np.int64)
    for start in range(0, len(values), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        use = (patients[part] >= 0) & (places[part] >= 0)
        cell = patients[part][use] * n_niches + places[part][use]
        block = np.asarray(values[part], np.float64)[use]
        known = np.isfinite(block)
        np.add.at(total, cell, np.where(known, block, 0))
        np.add.at(patches, cell, known)
    mean = np.where(patches >= MIN_PATCHES, total / np.maximum(patches, 1), np.nan)
    return mean.reshape(n_patients, n_niches, n_markers)
