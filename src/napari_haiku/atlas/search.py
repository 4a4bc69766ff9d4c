"""Search: the patches of an atlas most similar to each query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.atlas.ranking import Gap
from napari_haiku.atlas.selection import Exclusion, eligible_rows, own_rows
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.atlas.store import Atlas

__all__ = ["Exclusion", "Hits", "search"]


@dataclass(frozen=True)
class Hits:
    """The most similar patches of each query, best first.

    Parameters
    ----------
    indices : ndarray of int64, shape (q, k)
        Rows of the atlas; -1 where there are fewer than k.
    similarity : ndarray of float32, shape (q, k)
        Dot products; NaN where there is no hit.
    method : str
        ``"exact"``, or ``"ivf8"`` where an index narrowed down who was compared;
        its recall stands in ``atlas.json``.
    """

    indices: NDArray[np.int64]
    similarity: NDArray[np.float32]
    method: str = "exact"

    @property
    def found(self) -> NDArray[np.bool_]:
        """Where there is a hit, shape (q, k)."""
        return self.indices >= 0


def search(
    atlas: Atlas,
    vectors: NDArray[np.float32],
    *,
    target: str = "mif",
    k: int = 50,
    where: str | None = None,
    exclude: Exclusion | None = None,
    query_positions_um: NDArray[np.float64] | None = None,
    exact: bool = False,
) -> Hits:
    """Find the k most similar patches of each query.

    Exactly, unless the atlas is large enough to have an index: see
    :mod:`napari_haiku.atlas.index`.

    Ties go to the lower row. Scores are dot products of the query (float32)
    with the stored float16 vectors, summed in float64 and rounded to float32,
    so that they do not depend on how the work is cut up.

    Parameters
    ----------
    atlas : Atlas
        Where to look.
    vectors : ndarray of float32, shape (q, dim) or (dim,)
        Queries; see :func:`napari_haiku.atlas.query.compose_query`.
    target : {"mif", "he", "text"}
        Modality of the candidates.
    k : int
        Hits per query.
    where : str, optional
        Filter on the record or on position; see :mod:`napari_haiku.atlas.where`.
    exclude : Exclusion, optional
        The query's own patient and slide. Without it nothing is out: only
        right for a query that is no patch of any slide in the atlas.
    query_positions_um : ndarray, shape (q, 2), optional
        Centres of the query patches in um; needed with ``within_patient_um``.
    exact : bool
        Search exactly whatever the size of the atlas.

    Returns
    -------
    Hits
        Rows and similarities.

    Raises
    ------
    HaikuError
        The vectors do not fit the atlas, the filter cannot be read, or no patch
        may answer.
    """
    queries = np.atleast_2d(np.asarray(vectors, np.float32))
    if queries.ndim != 2 or queries.shape[1] != atlas.dim:
        raise HaikuError(
            f"The question has vectors of length {queries.shape[-1]} but the atlas {atlas.name} of "
            f"{atlas.dim}: use the model {atlas.model_name}."
        )
    if not np.isfinite(queries).all():
        raise HaikuError("The question holds values that are no numbers: encode the slide again.")
    if k < 1:
        raise HaikuError(f"The number of hits must be at least 1, not {k}.")
    kept = eligible_rows(atlas, target, where, exclude)
    gap = _gap(atlas, exclude, kept, query_positions_um, len(queries))
    return Hits(*atlas.nearest(queries, target, kept, k, gap=gap, exact=exact))


def _gap(
    atlas: Atlas,
    exclude: Exclusion | None,
    kept: NDArray[np.bool_],
    positions: NDArray[np.float64] | None,
    n_queries: int,
) -> Gap | None:
    if exclude is None or exclude.within_patient_um is None:
        return None
    if positions is None:
        raise HaikuError(
            "Where the query patches lie must be given to keep a gap within a patient."
        )
    positions = np.atleast_2d(np.asarray(positions, np.float64))
    if positions.shape != (n_queries, 2):
        raise HaikuError(
            f"{n_queries} queries were given with positions of shape {positions.shape}: give x and "
            "y in um for each."
        )
    own = np.flatnonzero(kept & own_rows(atlas, exclude))
    return Gap(own, atlas.positions_um[own], positions, float(exclude.within_patient_um))
