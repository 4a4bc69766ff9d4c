"""Approximate search in large atlases: 8-bit codes narrow down, float16 vectors decide.

Vectors are turned onto their main directions, cut to as many of them as is fastest, sorted into
lists by the nearest centre and kept as 8-bit codes (faiss, memory-mapped). A search
reads the lists nearest to the query, takes a few hundred candidates by their codes and ranks these
exactly. How many directions, lists and candidates it takes is measured on the atlas's own vectors
against exact search when the index is built.
"""

from __future__ import annotations

import importlib
import importlib.util
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_haiku.atlas.exact_scores import exact_scores
from napari_haiku.atlas.ranking import Gap, best_rows, sorted_pairs
from napari_haiku.atlas.scattered import read_scattered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

KIND: Final = "ivf8"
THRESHOLD: Final = 200_000
# So few rows are scored exactly faster than an index is asked.
EXACT_ROWS: Final = 2_000
_QUERIES_AT_ONCE: Final = 256
# Shares of the gallery that a filter keeps, for which the lists to read are measured.
SHARES: Final = (1.0, 0.3, 0.1, 0.03)
_FEW: Final = 4
_LARGEST: Final = 127


@dataclass(frozen=True)
class IndexPlan:
    """What an index was found to need; kept in ``atlas.json``.

    Parameters
    ----------
    rows : int
        Vectors in it.
    directions : int
        Length of a code.
    lists : int
        Lists that the vectors lie in.
    probes : tuple of int
        Lists to read where a filter keeps each of `SHARES` of the rows.
    candidates : int
        How many are ranked exactly, for 50 hits.
    recall_at_50 : float
        Share of the 50 best that are found, measured against exact search.
    seconds : float
        What building took.
    of : str
        Hash of the embeddings it was built from.
    file : dict
        Size and hash of the index file.
    """

    rows: int
    directions: int
    lists: int
    probes: tuple[int, ...]
    candidates: int
    recall_at_50: float
    seconds: float
    of: str
    file: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self) | {"probes": list(self.probes)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> IndexPlan:
        """Read it back."""
        return cls(**{**content, "probes": tuple(content["probes"])})

    def lists_to_read(self, kept: int) -> int:
        """How many lists answer as well where only some rows may."""
        share = kept / max(1, self.rows)
        if share < SHARES[-1]:
            return self.lists
        between = np.interp(-np.log(share), -np.log(SHARES), self.probes)
        return int(np.ceil(between))


def index_file(modality: str) -> str:
    """Name of the index of a modality."""
    return f"index_{modality}.faiss"


def turn_file(modality: str) -> str:
    """Name of the file with the main directions of a modality."""
    return f"index_{modality}_directions.npy"


def can_index() -> bool:
    """Whether faiss is installed."""
    return importlib.util.find_spec("faiss") is not None


class VectorIndex:
    """An index opened for searching.

    Parameters
    ----------
    codes : faiss index
        The lists of codes; their ids are rows of the gallery.
    turn : ndarray of float32, shape (directions, dim)
        Main directions.
    plan : IndexPlan
        What a search takes.
    """

    def __init__(self, codes: Any, turn: NDArray[np.float32], plan: IndexPlan) -> None:
        self._codes = codes
        self._turn = turn
        self.plan = plan

    @classmethod
    def open(cls, folder: Path, modality: str, plan: IndexPlan) -> VectorIndex | None:
        """Open an index, memory-mapped; None where it is not there or cannot be read."""
        if not can_index():
            return None
        faiss: Any = importlib.import_module("faiss")

        file = folder / index_file(modality)
        try:
            if file.stat().st_size != plan.file["bytes"]:
                return None
            turn = np.load(folder / turn_file(modality))
            codes = faiss.read_index(str(file), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        except (OSError, ValueError, RuntimeError):
            return None
        # The system reads ahead by itself; threads for that cost more than a search.
        faiss.downcast_InvertedLists(codes.invlists).prefetch_nthread = 0
        return cls(codes, turn, plan)

    def search(
        self,
        queries: NDArray[np.float32],
        gallery: NDArray[Any],
        kept: NDArray[np.bool_],
        k: int,
        *,
        gap: Gap | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find about the k best rows of each query.

        Parameters
        ----------
        queries : ndarray of float32, shape (q, d)
            Queries.
        gallery : ndarray of float16, shape (n, d)
            What the index was built from.
        kept : ndarray of bool, shape (n,)
            Rows that may answer.
        k : int
            How many.
        gap : Gap, optional
            Candidates that are out for single queries.

        Returns
        -------
        indices, scores
            As :func:`napari_haiku.atlas.ranking.best_rows`; the scores are exact. Few
            rows, and queries for which too few were found, are searched exactly.
        """
        rows = np.flatnonzero(kept)
        if len(rows) <= max(EXACT_ROWS, 2 * k):
            return best_rows(queries, gallery, rows, k, gap=gap)
        indices = np.full((len(queries), k), -1, np.int64)
        exact = np.full((len(queries), k), np.nan, np.float32)
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            part = slice(start, start + _QUERIES_AT_ONCE)
            near = None if gap is None else gap.of_queries(part)
            indices[part], exact[part] = self._some(
                queries[part], gallery, kept, len(rows), k, near
            )
        short = np.flatnonzero(indices[:, -1] < 0)
        if len(short):
            apart = None if gap is None else gap.of_queries(short)
            indices[short], exact[short] = best_rows(queries[short], gallery, rows, k, gap=apart)
        return indices, exact

    def _some(
        self,
        queries: NDArray[np.float32],
        gallery: NDArray[Any],
        kept: NDArray[np.bool_],
        n_kept: int,
        k: int,
        gap: Gap | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Answer a few queries."""
        found = self.candidates(queries, kept, n_kept, k, spare=0 if gap is None else k)
        query, place = np.nonzero(found >= 0)
        rows = found[query, place]
        if gap is not None:
            far = ~gap.drops(query, rows)
            query, rows = query[far], rows[far]
        needed, which = np.unique(rows, return_inverse=True)
        scores = exact_scores(queries, read_scattered(gallery, needed), query, which)
        return sorted_pairs(query, rows, scores, len(queries), k)

    def candidates(
        self,
        queries: NDArray[np.float32],
        kept: NDArray[np.bool_] | None,
        n_kept: int,
        k: int,
        *,
        spare: int = 0,
        lists: int | None = None,
        wanted: int | None = None,
    ) -> NDArray[np.int64]:
        """Rows with the best codes for each query, -1 where there are fewer."""
        faiss: Any = importlib.import_module("faiss")

        if wanted is None:
            wanted = -(-self.plan.candidates * k // 50) + spare
        if lists is None:
            lists = self.plan.lists_to_read(n_kept)
        selector = None
        if kept is not None and n_kept < len(kept):
            # Kept here: faiss reads the bits while it searches.
            bits = np.packbits(kept, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        parameters = faiss.SearchParametersIVF(sel=selector, nprobe=min(lists, self.plan.lists))
        few = len(queries) < _FEW
        # A few questions are answered by several processors each.
        self._codes.parallel_mode = 1 if few else 0
        turned = queries @ self._turn.T
        # Against whole numbers of 8 bits faiss compares such, and cuts off what is beyond.
        largest = np.maximum(np.abs(turned).max(axis=1, keepdims=True), 1e-12)
        turned = np.ascontiguousarray(np.rint(turned * (_LARGEST / largest)), np.float32)
        with _half_the_threads(faiss) if few else nullcontext():
            found: NDArray[np.int64] = self._codes.search(turned, wanted, params=parameters)[1]
        return found


@contextmanager
def _half_the_threads(faiss: Any) -> Iterator[None]:
    """Let faiss use half of its threads.

    Those of torch and of numpy's algebra, which have a pool each, go on spinning
    for a while after their work: with all threads every fourth question takes
    twice as long as the others.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(max(1, before // 2))
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
