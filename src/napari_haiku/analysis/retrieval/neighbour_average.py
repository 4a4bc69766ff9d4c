"""What a set of neighbours says about each marker, and how firmly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class NeighbourAverage:
    """Weighted read-out of the neighbours of each patch.

    Parameters
    ----------
    mean : ndarray of float32, shape (n, markers)
        Weighted mean over the neighbours that measured the marker; NaN where
        none did.
    spread : ndarray of float32, shape (n, markers)
        Weighted standard deviation among those neighbours.
    effective_neighbours : ndarray of float32, shape (n, markers)
        Kish's effective number, 1 / sum of squared weights.
    effective_patients : ndarray of float32, shape (n, markers)
        The same with the weights of one patient's patches added up first.
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    effective_neighbours: NDArray[np.float32]
    effective_patients: NDArray[np.float32]


def softmax_weights(
    similarity: NDArray[Any], valid: NDArray[np.bool_], temperature: float
) -> NDArray[np.float64]:
    """Weights of neighbours by likeness; each row adds up to 1.

    Models differ in how far apart the similarities of good neighbours lie, from
    a thousandth to a tenth, and a softmax in absolute units would weigh all
    neighbours of the one alike and only the best of the other. The unit is
    therefore the distance from a patch's best to its last neighbour.

    Parameters
    ----------
    similarity : ndarray, shape (n, k)
        Likeness of each neighbour.
    valid : ndarray of bool, shape (n, k)
        False where there is no neighbour; its weight is 0.
    temperature : float
        The last neighbour weighs exp(-1 / temperature) as much as the best.

    Returns
    -------
    ndarray of float64, shape (n, k)
        A row without any neighbour is all 0.
    """
    alike = np.where(valid, np.asarray(similarity, np.float64), np.nan)
    some = valid.any(axis=1)
    best, last = np.zeros((2, len(alike), 1))
    best[some, 0] = np.nanmax(alike[some], axis=1)
    last[some, 0] = np.nanmin(alike[some], axis=1)
    unit = np.where(best > last, best - last, 1) * temperature
    weights = np.exp(np.where(valid, (np.nan_to_num(alike) - best) / unit, -np.inf))
    total = weights.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = weights / np.where(total > 0, total, 1)
    return shares


def average_neighbours(
    values: NDArray[Any], weights: NDArray[np.float64], patients: NDArray[Any]
) -> NeighbourAverage:
    """Average marker values over neighbours, skipping those that did not measure.

    Parameters
    ----------
    values : ndarray, shape (n, k, markers)
        Marker values of the neighbours, NaN where not measured.
    weights : ndarray, shape (n, k)
        Weights; they are renormalised over the neighbours that measured.
    patients : ndarray of int, shape (n, k)
        Which patient each neighbour is of, as a number.
    """
    known = np.isfinite(values)
    weight = np.where(known, weights[:, :, None], 0)
    total = weight.sum(axis=1, keepdims=True)
    some = total > 0
    weight = weight / np.where(some, total, 1)
    filled = np.where(known, values, 0).astype(np.float64)
    mean = (weight * filled).sum(axis=1, keepdims=True)
    variance = (weight * np.where(known, filled - mean, 0) ** 2).sum(axis=1)
    same = (patients[:, :, None] == patients[:, None, :]).astype(np.float64)
    by_patient = (weight * (same @ weight)).sum(axis=1)
    alone = (weight**2).sum(axis=1)
    there = some[:, 0]

    def known_only(column: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.where(there, column, np.nan).astype(np.float32)

    return NeighbourAverage(
        mean=known_only(mean[:, 0]),
        spread=known_only(np.sqrt(variance)),
        effective_neighbours=known_only(1 / np.where(there, alone, 1)),
        effective_patients=known_only(1 / np.where(there, by_patient, 1)),
    )


def effective_counts(
    weights: NDArray[np.float64], patients: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Effective number of neighbours and of patients behind each patch.

    Returns
    -------
    neighbours, patients : ndarray of float32, shape (n,)
        0 where there is no neighbour at all.
    """
    same = (patients[:, :, None] == patients[:, None, :]).astype(np.float64)
    by_patient = (weights * (same @ weights[:, :, None])[:, :, 0]).sum(axis=1)
    alone = (weights**2).sum(axis=1)
    there = alone > 0
    return (
        np.where(there, 1 / np.where(there, alone, 1), 0).astype(np.float32),
        np.where(there, 1 / np.where(there, by_patient, 1), 0).astype(np.float32),
    )
