"""Patients of an atlas as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding


def patient_numbers(atlas: Atlas) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Give every patient of an atlas a number, in the order of their ids.

    Returns
    -------
    patients : tuple of str
        The ids.
    number : ndarray of int64, shape (atlas rows,)
        Patient of each row, as a place in `patients`.
    """
    ids, of_slide = np.unique(atlas.slides["patient_id"].to_numpy(str), return_inverse=True)
    return tuple(str(name) for name in ids), of_slide.astype(np.int64)[atlas.slide_index]


def patient_of(encoding: Encoding) -> str:
    """Id under which an atlas would hold this slide's patient.

    A slide without a patient is a patient of its own.
    """
    return encoding.patient_id or encoding.slide_id
