"""p of a virtual patient's tables from refitted text heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.retrieval.shift_pulls import shifts_and_pulls
from napari_haiku.analysis.retrieval.text_heads import heads_p
from napari_haiku.analysis.statistics.linear_error import share_beyond

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_haiku.analysis.retrieval.text_reranking import Gallery
    from napari_haiku.jobs import Job


def heads_tables(
    he: NDArray[np.float32],
    gallery: Gallery,
    weights: Mapping[str, float],
    of_heads: NDArray[np.float32],
    pairs: NDArray[np.int64],
    k: int,
    niches: NDArray[np.int64],
    patients: NDArray[np.int64],
    shift: NDArray[np.float64],
    atlas_error: NDArray[np.float64],
    *,
    niche_numbers: Sequence[int],
    least: int,
) -> Job[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Test the shifts of several edits with every refitted head.

    Parameters
    ----------
    he, gallery, weights, pairs, k, niches, patients, niche_numbers, least
        As :func:`~.shift_pulls.shifts_and_pulls`.
    of_heads : ndarray of float32, shape (heads, captions, dim)
        The captions as each head reads them.
    shift, atlas_error : ndarray of float64, shape (edits, niches, markers)
        Shifts of the model itself, and their error over atlases.

    Returns
    -------
    p : ndarray of float64, shape (edits, niches, markers)
        As the window and the command line report it.
    summed : ndarray of float64, the same shape
        With both errors simply added up, which counts twice what they share.
    """
    shifts, pulls = [], []
    for texts in of_heads:
        one = yield from shifts_and_pulls(
            he,
            gallery,
            weights,
            texts,
            pairs,
            k,
            niches,
            patients,
            niche_numbers=niche_numbers,
            least=least,
            doing="Refitted text heads",
        )
        shifts.append(one[0])
        pulls.append(one[1])
    every, pulled = np.stack(shifts), np.stack(pulls)
    tested = [
        (
            heads_p(one, every[:, edit], error, share_beyond(error, pulled[:, edit])).p,
            heads_p(one, every[:, edit], error).p,
        )
        for edit, (one, error) in enumerate(zip(shift, atlas_error, strict=True))
    ]
    return np.stack([p for p, _ in tested]), np.stack([p for _, p in tested])
