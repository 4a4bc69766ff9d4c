"""Search: the patches of an atlas most similar to each query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.atlas.ranking import Gap
from napari_haiku.atlas.selection import (
    Exclusion,
    NobodyAnswersError,
    eligible_rows,
    own_rows,
)
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.atlas.store import Atlas

__all__ = ["Exclusion", "Hits", "Within", "checked_queries", "search"]


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
    note : str
        A sentence for the user, such as a warning about the score; "" for none.
    """

    indices: NDArray[np.int64]
    similarity: NDArray[np.float32]
    method: str = "exact"
    note: str = ""

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
        Centres of the query patches in um; needed with ``within_patient_um``. For
        one query made of many patches: the centres of all of them.
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
    queries = checked_queries(atlas, vectors, k)
    within = Within.of(atlas, target, where, exclude, query_positions_um, len(queries))
    return Hits(*atlas.nearest(queries, target, within.kept, k, gap=within.gap, exact=exact))


def checked_queries(atlas: Atlas, vectors: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """Make sure that queries fit an atlas, and return them as rows.

    Raises
    ------
    HaikuError
        They are of another length or no numbers, or no hit is asked for.
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
    return queries


@dataclass(frozen=True)
class Within:
    """Who may answer.

    Parameters
    ----------
    kept : ndarray of bool, shape (n,)
        Patches that may answer any of the queries.
    gap : Gap or None
        Patches that are out for single queries.
    """

    kept: NDArray[np.bool_]
    gap: Gap | None

    @property
    def rows(self) -> NDArray[np.int64]:
        """Ascending rows that may answer."""
        return np.flatnonzero(self.kept)

    @classmethod
    def of(
        cls,
        atlas: Atlas,
        target: str,
        where: str | None,
        exclude: Exclusion | None,
        positions_um: NDArray[np.float64] | None,
        n_queries: int,
    ) -> Within:
        """Say who may answer queries; parameters as :func:`search`.

        Raises
        ------
        HaikuError
            The filter cannot be read, positions do not fit, or nobody is left.
        """
        kept = eligible_rows(atlas, target, where, exclude)
        if exclude is None or exclude.within_patient_um is None:
            return cls(kept, None)
        if positions_um is None:
            raise HaikuError(
                "Where the query patches lie must be given to keep a gap within a patient."
            )
        places = np.atleast_2d(np.asarray(positions_um, np.float64))
        own = np.flatnonzero(kept & own_rows(atlas, exclude))
        gap_um = float(exclude.within_patient_um)
        if n_queries == 1 and places.ndim == 2 and len(places) > 1 and places.shape[1] == 2:
            # One question made of many patches: the gap is kept from each of them.
            kept[own[_nearest_um(atlas.positions_um[own], places) < gap_um]] = False
            if not kept.any():
                raise NobodyAnswersError(
                    "Every patch that could answer lies within the gap: choose a smaller one."
                )
            return cls(kept, None)
        if places.shape != (n_queries, 2):
            raise HaikuError(
                f"{n_queries} queries were given with positions of shape {places.shape}: give x "
                "and y in um for each."
            )
        return cls(kept, Gap(own, atlas.positions_um[own], places, gap_um))


def _nearest_um(points: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each point to the nearest of some places."""
    from scipy.spatial import cKDTree

    distance: NDArray[np.float64] = cKDTree(places).query(points)[0]
    return distance
