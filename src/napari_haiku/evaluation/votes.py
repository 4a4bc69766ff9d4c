"""Accuracy and macro-F1 of classes, with intervals over patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.evaluation.figures import Figure
from napari_haiku.evaluation.resampling import PatientResampling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.evaluation.request import EvaluateRequest


def class_figures(
    truth: NDArray[np.int64],
    said: NDArray[np.int64],
    patients: NDArray[np.int64],
    n_classes: int,
    request: EvaluateRequest,
    *,
    prefix: str = "",
    note: str = "",
) -> dict[str, Figure]:
    """Compare classes said with the true ones.

    Parameters
    ----------
    truth, said : ndarray of int64, shape (n,)
        Class of each case; `said` is -1 where nothing was said, which is wrong.
    patients : ndarray of int64, shape (n,)
        Patient of each case.
    n_classes : int
        How many classes there are.
    request : EvaluateRequest
        Seed and resamples of the intervals.
    prefix, note : str
        In front of the figures' names; on every figure.

    Returns
    -------
    dict
        ``accuracy`` (chance: always the most frequent class), ``macro_f1`` and
        ``balanced_accuracy`` (chance: one over the number of classes present).
    """
    draw = PatientResampling(patients, seed=request.seed, resamples=request.resamples)
    cells = np.zeros((draw.n_patients, n_classes, n_classes + 1))
    np.add.at(cells, (draw.number, truth, np.where(said < 0, n_classes, said)), 1.0)
    counts = np.bincount(truth, minlength=n_classes)
    present = counts > 0
    uniform = 1 / max(1, int(present.sum()))
    chances = {
        "accuracy": float(counts.max() / max(1, counts.sum())),
        "macro_f1": uniform,
        "balanced_accuracy": uniform,
    }
    out = {}
    for name, statistic in (
        ("accuracy", _accuracy),
        ("macro_f1", _macro_f1),
        ("balanced_accuracy", _balanced),
    ):
        value, ci = draw.of_sums(cells, statistic)
        out[f"{prefix}{name}"] = Figure(value, ci, len(truth), chances[name], note)
    return out


def by_patient(
    scores: NDArray[np.float64], truth: NDArray[np.int64], patients: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """One verdict a patient: the class with the largest mean score over the patches.

    Returns
    -------
    truth, said, patients : ndarray of int64
        One entry a patient and true class.
    """
    pairs, case = np.unique(np.stack([patients, truth], axis=1), axis=0, return_inverse=True)
    total = np.zeros((len(pairs), scores.shape[1]))
    np.add.at(total, case.ravel(), np.nan_to_num(scores))
    return pairs[:, 1], total.argmax(axis=1), pairs[:, 0]


def _accuracy(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    right = np.trace(cells[:, :, :-1], axis1=1, axis2=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        share: NDArray[np.float64] = right / cells.sum(axis=(1, 2))
    return share


def _macro_f1(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    right = np.diagonal(cells[:, :, :-1], axis1=1, axis2=2)
    true, said = cells.sum(axis=2), cells[:, :, :-1].sum(axis=1)
    return _mean_present(2 * right, true + said, true > 0)


def _balanced(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    right = np.diagonal(cells[:, :, :-1], axis1=1, axis2=2)
    true = cells.sum(axis=2)
    return _mean_present(right, true, true > 0)


def _mean_present(
    top: NDArray[np.float64], bottom: NDArray[np.float64], present: NDArray[np.bool_]
) -> NDArray[np.float64]:
    share = np.where(present, top / np.where(bottom > 0, bottom, 1), 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: NDArray[np.float64] = share.sum(axis=1) / present.sum(axis=1)
    return mean
