"""Ask an atlas once, then again under edited records without a new pass.

The patches of a slide ask with their H&E and the text of its record. An edit of the record moves
the score of each candidate alike for all of them, so that what the first pass found settles most
of the answer: see :mod:`napari_haiku.atlas.reranking`. What comes out equals a new exact search,
bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.atlas.reranking import DEPTH, Reranking
from napari_haiku.atlas.search import Hits, Within, checked_queries
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_haiku.atlas.selection import Exclusion
    from napari_haiku.atlas.store import Atlas


class EditableSearch:
    """The first pass of a slide's patches, kept for edits; made by :meth:`of`.

    It holds about ``16 * depth`` bytes a patch: 160 MB for 10,000 patches.

    Parameters
    ----------
    atlas : Atlas
        Where it looked.
    first : Reranking
        What the first pass found.
    questions : int
        How many patches ask.
    """

    def __init__(self, atlas: Atlas, first: Reranking, questions: int) -> None:
        self._atlas = atlas
        self._first = first
        self._questions = questions

    @classmethod
    def of(
        cls,
        atlas: Atlas,
        vectors: NDArray[np.float32],
        *,
        target: str = "mif",
        where: str | None = None,
        exclude: Exclusion | None = None,
        query_positions_um: NDArray[np.float64] | None = None,
        depth: int = DEPTH,
    ) -> EditableSearch:
        """Pass over the atlas once.

        Parameters
        ----------
        atlas, vectors, where, exclude, query_positions_um
            As :func:`napari_haiku.atlas.search.search`; the vectors are those of
            the unedited record.
        target : {"mif", "he"}
            Modality of the candidates.
        depth : int
            About how many candidates are kept for each patch.

        Raises
        ------
        HaikuError
            As :func:`napari_haiku.atlas.search.search`, or the target is the text.
        """
        if target == "text":
            raise HaikuError(
                "Edits are ranked again among patches, and records have one text a slide: choose "
                "the target mif or he."
            )
        queries = checked_queries(atlas, vectors, 1)
        within = Within.of(atlas, target, where, exclude, query_positions_um, len(queries))
        first = Reranking.of(
            queries, atlas.embeddings(target), within.rows, gap=within.gap, depth=depth
        )
        return cls(atlas, first, len(queries))

    def search(self, vectors: NDArray[np.float32], k: int = 50) -> Hits:
        """Find what the patches find under an edited record.

        Parameters
        ----------
        vectors : ndarray of float32, shape (q, dim)
            The edited questions, in the order of the first pass.
        k : int
            Hits per patch.

        Returns
        -------
        Hits
            Equal to an exact :func:`napari_haiku.atlas.search.search` of the same vectors.

        Raises
        ------
        HaikuError
            There are more or fewer questions than in the first pass.
        """
        queries = checked_queries(self._atlas, vectors, k)
        if len(queries) != self._questions:
            raise HaikuError(
                f"{len(queries)} edited questions were given for {self._questions} patches: give "
                "one for each patch of the first search."
            )
        found = self._first.search(queries, k)
        return Hits(found.indices, found.similarity)
