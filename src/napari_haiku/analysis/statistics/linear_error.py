"""How much a shift varies over atlases, to first order: each patient's own pull on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# The last neighbours and the first that are none: what comes in when another goes. Few of them
# would let the border's own scatter into the error, many are no longer the border.
_BORDER_SHARE = 4
_LEAST_BORDER = 5


def border_width(k: int) -> int:
    """How many candidates on either side of the k-th make up the border."""
    return max(_LEAST_BORDER, k // _BORDER_SHARE)


def patient_pulls(
    baseline: NDArray[np.int64],
    edited: NDArray[np.int64],
    k: int,
    values: NDArray[np.float32],
    patients: NDArray[np.int64],
    niches: NDArray[np.int64],
    *,
    niche_numbers: Sequence[int],
) -> NDArray[np.float64]:
    """Derive each niche's shift by how much each atlas patient counts.

    The mean of the k best of an atlas changes with the weight of a patient by
    the sum over that patient's neighbours of (value - border) / k, where border
    is the mean value of the candidates around the k-th: what enters when a
    neighbour leaves.

    Parameters
    ----------
    baseline, edited : ndarray of int64, shape (n, candidates)
        Candidates of the same patches under the two captions, best first, -1
        for none.
    k : int
        Neighbours that make up the read-out.
    values : ndarray of float32, shape (atlas rows, markers)
        Marker values, NaN where not measured; may be memory-mapped.
    patients : ndarray of int64, shape (atlas rows,)
        Patient of each atlas row as a number from 0, -1 for none.
    niches : ndarray of int64, shape (n,)
        Niche of each patch.
    niche_numbers : sequence of int
        Niches in the order of the result.

    Returns
    -------
    ndarray of float64, shape (patients, niches, markers)
        NaN where no patch of the niche has a read-out under both captions.
    """
    n_patients = int(patients.max(initial=-1)) + 1
    # Apart until the end, so that no edit has exactly no pull.
    sums = np.zeros((2, n_patients + 1, len(niche_numbers), values.shape[1]))
    count = np.zeros((len(niche_numbers), values.shape[1]))
    place = {int(number): row for row, number in enumerate(niche_numbers)}
    for patch, niche in enumerate(niches):
        here = place.get(int(niche))
        if here is None:
            continue
        new, old = (_of_patch(rows[patch], k, values) for rows in (edited, baseline))
        known = new[2] & old[2]
        count[here] += known
        for side, (rows, part, _) in enumerate((new, old)):
            np.add.at(sums[side, :, here], patients[rows], np.where(known, part, 0))
    with np.errstate(invalid="ignore"):
        pulls: NDArray[np.float64] = (sums[0] - sums[1])[:-1] / np.where(count > 0, count, np.nan)
    return pulls


def error_of_pulls(pulls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate the standard error over atlases from the pulls of the patients (first axis).

    Returns
    -------
    ndarray of float64
        NaN with fewer than two patients.

    Notes
    -----
    Resampling patients with replacement counts some neighbours twice. An edit
    exchanges few neighbours, and which ones depends on where the k-th happens
    to lie; every resample exchanges others, each counted twice or not at all,
    so that the resampled shifts hold the scatter of single patches twice and
    spread up to 1.4 times too wide. The derivative holds it once.
    """
    n = len(pulls)
    if n < 2:
        return np.full(pulls.shape[1:], np.nan)
    apart = pulls - pulls.mean(axis=0)
    error: NDArray[np.float64] = np.sqrt((apart**2).sum(axis=0) * n / (n - 1))
    return error


def share_beyond(error: NDArray[np.float64], other_pulls: NDArray[np.floating]) -> float:
    """Share of a shift's atlas variance that its spread over other texts does not hold yet.

    Parameters
    ----------
    error : ndarray of float64, shape (...)
        Standard error over atlases of each shift, see :func:`error_of_pulls`.
    other_pulls : ndarray, shape (texts, patients, ...)
        Pulls of every patient on the same shifts under other texts (refitted
        text heads), in the same unit.

    Returns
    -------
    float
        Between 0 and 1, one for the whole table; 1 where nothing is known.

    Notes
    -----
    A shift s(d, A) of a text direction d and an atlas A varies by V_d + V_A +
    V_dA: by direction, by atlas, and by which atlas patches this direction
    happens to exchange. Over heads with the atlas fixed it varies by V_d + V_dA;
    over atlases with the text fixed by V_A + V_dA. Their sum counts V_dA twice,
    and with a small edit V_dA is nearly all there is. V_dA is the sum over
    patients of the variance of their pulls over heads. It is noisy row by row, so
    one share is taken of the whole table: 1 - sum of V_dA / sum of error^2.
    """
    n = other_pulls.shape[1]
    if len(other_pulls) < 2 or n < 2:
        return 1.0
    apart = other_pulls - other_pulls.mean(axis=1, keepdims=True)
    joint = apart.var(axis=0, ddof=1, dtype=np.float64).sum(axis=0) * n / (n - 1)
    known = np.isfinite(joint) & np.isfinite(error)
    whole = float((error[known] ** 2).sum())
    return float(np.clip(1 - joint[known].sum() / whole, 0, 1)) if whole > 0 else 1.0


def _of_patch(
    candidates: NDArray[np.int64], k: int, values: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Rows of a patch's neighbours, what each adds to the mean, and which markers have one."""
    rows = candidates[candidates >= 0]
    around = border_width(k)
    near = np.asarray(values[rows[: k + around]], np.float64)
    # Where everyone answers nobody comes in, and the others make up what is left.
    border = near[max(0, k - around) :] if len(rows) > k else near
    known_border, known = np.isfinite(border), np.isfinite(near[:k])
    n_border, n = known_border.sum(axis=0), known.sum(axis=0)
    level = np.where(known_border, border, 0).sum(axis=0) / np.maximum(n_border, 1)
    there = (n > 0) & (n_border > 0)
    part = np.where(known & there, near[:k] - level, 0) / np.maximum(n, 1)
    return rows[:k], part, there
