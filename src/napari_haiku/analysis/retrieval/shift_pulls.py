"""Shifts under many captions, with the pull of every atlas patient on each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.retrieval.text_reranking import (
    Gallery,
    Ranked,
    Weighting,
    best_of,
    mean_of_chosen,
    rank_under_captions,
)
from napari_haiku.analysis.statistics.linear_error import border_width
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_SAY_EVERY = 64


def shifts_and_pulls(
    he: NDArray[np.float32],
    gallery: Gallery,
    weights: Mapping[str, float],
    texts: NDArray[np.float32],
    pairs: NDArray[np.int64],
    k: int,
    niches: NDArray[np.int64],
    patients: NDArray[np.int64],
    *,
    niche_numbers: Sequence[int],
    least: int = 1,
    weighting: Weighting = "equal",
    doing: str = "Ranking under other captions",
) -> Job[tuple[NDArray[np.float64], NDArray[np.float32]]]:
    """Average the shift of every pair of captions, and derive it by each atlas patient.

    Parameters
    ----------
    he, gallery, weights, texts, pairs, k, niches, niche_numbers, least, weighting, doing
        As :func:`~.text_reranking.shifts_under_captions`.
    patients : ndarray of int64, shape (atlas rows,)
        Patient of each atlas row as a number from 0, -1 for none.

    Returns
    -------
    shifts : ndarray of float64, shape (pairs, niches, markers)
        As :func:`~.text_reranking.shifts_under_captions`.
    pulls : ndarray of float32, shape (pairs, patients, niches, markers)
        As :func:`~.linear_error.patient_pulls`, neighbours counting alike.
    """
    n_patients = int(patients.max(initial=-1)) + 1
    shape = (len(niche_numbers), gallery.values.shape[1])
    total, count = np.zeros((len(pairs), *shape)), np.zeros((len(pairs), *shape), np.int64)
    pulls = np.zeros((len(pairs), n_patients, *shape), np.float32)
    pulled = np.zeros((len(pairs), *shape), np.int64)
    place = {number: row for row, number in enumerate(niche_numbers)}
    around = border_width(k)
    for wide in rank_under_captions(he, gallery, weights, texts, k + around):
        if wide.patch % _SAY_EVERY == 0:
            yield Progress(wide.patch, len(he), doing)
        row = place.get(int(niches[wide.patch]))
        if row is None:
            continue
        found = Ranked(wide.patch, wide.rows, best_of(wide.scores, k), wide.scores)
        read = mean_of_chosen(found, gallery.values, weighting)
        change = read[pairs[:, 1]] - read[pairs[:, 0]]
        known = np.isfinite(change)
        total[:, row] += np.where(known, change, 0)
        count[:, row] += known
        here, parts, told = _of_patch(found, wide.chosen, gallery.values, patients, k - around)
        both = told[pairs[:, 1]] & told[pairs[:, 0]]
        step = parts[pairs[:, 1]] - parts[pairs[:, 0]]
        pulls[:, here, row] += np.where(both[:, None], step, 0)
        pulled[:, row] += both
    shifts = np.where(count >= max(least, 1), total / np.maximum(count, 1), np.nan)
    with np.errstate(invalid="ignore"):
        pulls /= np.where(pulled > 0, pulled, np.nan)[:, None]
    return shifts, pulls


def _of_patch(
    found: Ranked,
    wide: NDArray[np.bool_],
    values: NDArray[Any],
    patients: NDArray[np.int64],
    inner: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Patients of one patch's neighbours, what each adds under every caption, and where known.

    Returns
    -------
    patients : ndarray of int64, shape (u,)
        Numbers, ascending.
    parts : ndarray of float64, shape (captions, u, markers)
        What the patient's neighbours add to the mean, beside the border's level.
    told : ndarray of bool, shape (captions, markers)
        Which markers have a mean and a border.
    """
    columns = np.asarray(values[found.rows], np.float64)
    known = np.isfinite(columns)
    columns = np.where(known, columns, 0)
    # Where nobody else is left to come in, the others make up what is left.
    border = wide & ~best_of(found.scores, max(inner, 0)) if inner > 0 else wide.copy()
    full = (wide & ~found.chosen).any(axis=1)
    border[~full] = found.chosen[~full]
    n_border, n = border @ known.astype(np.float64), found.chosen @ known.astype(np.float64)
    told = (n > 0) & (n_border > 0)
    level = (border @ columns) / np.maximum(n_border, 1)
    numbers, own = np.unique(patients[found.rows], return_inverse=True)
    member = np.zeros((len(numbers), len(found.rows)))
    member[own, np.arange(len(own))] = 1
    parts = np.empty((len(found.chosen), len(numbers), columns.shape[1]))
    for caption, chosen in enumerate(found.chosen):
        rows = np.flatnonzero(chosen)
        apart = np.where(known[rows], columns[rows] - level[caption], 0)
        parts[caption] = member[:, rows] @ (apart / np.maximum(n[caption], 1))
    there = numbers >= 0
    return numbers[there], np.where(told[:, None], parts, 0)[:, there], told
