"""Nearest patches of other patients, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.atlas.ranking import best_rows
from napari_haiku.jobs import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.jobs import Job


def nearest(
    queries: NDArray[Any],
    gallery: NDArray[Any],
    query_patients: NDArray[np.int64],
    gallery_patients: NDArray[np.int64],
    k: int,
    *,
    own_patient: bool = False,
    doing: str = "Searching",
) -> Job[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Find the k most similar rows of the gallery for each query.

    Parameters
    ----------
    queries, gallery : ndarray, shape (q, d) and (n, d)
        Vectors.
    query_patients, gallery_patients : ndarray of int64
        Patient of each.
    k : int
        How many.
    own_patient : bool
        Whether the query's own patient may answer; only the published protocol
        asks for that.
    doing : str
        What the progress says.

    Returns
    -------
    rows : ndarray of int64, shape (q, k)
        Best first; -1 where there are fewer.
    similarity : ndarray of float32, shape (q, k)
        Dot products; NaN where there is none.
    """
    vectors = np.asarray(gallery, np.float32)
    asked = np.asarray(queries, np.float32)
    rows = np.full((len(asked), k), -1, np.int64)
    similarity = np.full((len(asked), k), np.nan, np.float32)
    if own_patient:
        yield Progress(0, len(asked), doing)
        return best_rows(asked, vectors, np.arange(len(vectors)), k)
    done = 0
    for patient in np.unique(query_patients):
        yield Progress(done, len(asked), doing)
        mine = np.flatnonzero(query_patients == patient)
        others = np.flatnonzero(gallery_patients != patient)
        rows[mine], similarity[mine] = best_rows(asked[mine], vectors, others, k)
        done += len(mine)
    return rows, similarity
