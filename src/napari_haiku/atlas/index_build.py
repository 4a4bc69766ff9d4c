"""Build the index of a large atlas, and measure what a search with it takes."""

from __future__ import annotations

import importlib
import os
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.atlas import layout
from napari_haiku.atlas.exact_scores import exact_scores
from napari_haiku.atlas.index import (
    KIND,
    SHARES,
    THRESHOLD,
    IndexPlan,
    VectorIndex,
    can_index,
    index_file,
    turn_file,
)
from napari_haiku.atlas.query import compose_query
from napari_haiku.atlas.ranking import best_rows, sorted_pairs
from napari_haiku.atlas.store import Atlas
from napari_haiku.atlas.widening import widen
from napari_haiku.encoding.lock import WriteLock
from napari_haiku.jobs import Job, Progress
from napari_haiku.storage import speaking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

RECALL = 0.98
# Aimed at while tuning, so that other questions than those of the tuning reach RECALL too.
_AIM = 0.986
_QUERIES = 192
_K = 50
_SAMPLE = 32_768
_DIRECTIONS = (128, 256, 512, 768)
_MOST_CANDIDATES = 4000
# Share of the true hits that is to be among the candidates.
_KEPT = 0.994
# About how much of the gallery is read by its codes, and how many times as long ranking one number
# of a vector takes as reading one of a code.
_SHARE_READ = 0.15
_RANKING = 60
_ROWS_AT_ONCE = 20_000
_POINTS_PER_LIST = 50


@dataclass(frozen=True)
class Vectors:
    """What an index is built of.

    Parameters
    ----------
    gallery : ndarray of float16, shape (n, d)
        Embeddings.
    rows : ndarray of int64
        Ascending rows that have one.
    queries : ndarray of float32, shape (q, d)
        Questions like those that will be asked.
    of : str
        Hash of the embeddings.
    """

    gallery: NDArray[Any]
    rows: NDArray[np.int64]
    queries: NDArray[np.float32]
    of: str


def index_wanted(atlas: Atlas, *, threshold: int = THRESHOLD) -> tuple[str, ...]:
    """Modalities that are large enough for an index and have none that fits."""
    if not can_index():
        return ()
    large = [
        name
        for name in ("mif", "he")
        if name in atlas.modalities and np.count_nonzero(atlas.has(name)) > threshold
    ]
    return tuple(name for name in large if atlas.index_of(name) is None)


def build_index(
    atlas: Atlas, *, threshold: int = THRESHOLD, recall: float = RECALL, seed: int = 0
) -> Job[Atlas]:
    """Build the indices that an atlas lacks; nothing is done where it lacks none.

    Indices are caches: without them, or without faiss, search is exact and slower.

    Parameters
    ----------
    atlas : Atlas
        The atlas.
    threshold : int
        Up to so many vectors search stays exact.
    recall : float
        Share of the 50 best that is to be found.
    seed : int
        Seed of the sample and of the questions.

    Returns
    -------
    Atlas
        The atlas, opened again.
    """
    for modality in index_wanted(atlas, threshold=threshold):
        with WriteLock(atlas.path):
            vectors = _vectors(atlas, modality, seed)
            plan = yield from make_index(atlas.path, modality, vectors, recall=recall, seed=seed)
            description = layout.read_description(atlas.path)
            old = description["index"].get("of", {})
            of = {**old, modality: plan.to_json()}
            description["index"] = {
                "kind": KIND,
                "recall_at_50": min(entry["recall_at_50"] for entry in of.values()),
                "of": of,
            }
            layout.write_description(atlas.path, description)
        atlas = Atlas.open(atlas.path)
    return atlas


def make_index(
    folder: Path, modality: str, vectors: Vectors, *, recall: float = RECALL, seed: int = 0
) -> Job[IndexPlan]:
    """Build one index into a folder; see :func:`build_index`."""
    faiss: Any = importlib.import_module("faiss")

    doing = "Building the search index"
    begin = time.perf_counter()
    gallery, rows = vectors.gallery, vectors.rows
    rng = np.random.default_rng(seed)
    yield Progress(0, 4, doing, "steps")
    truth = best_rows(vectors.queries, gallery, rows, _K)[0]
    sample = np.sort(rng.choice(len(rows), min(_SAMPLE, len(rows)), replace=False))
    few = widen(gallery[rows[sample]])
    # Taking the middle away moves all scores of a question alike, and no rank.
    middle = few.mean(axis=0)
    few -= middle
    turn = _main_directions(few)
    directions, candidates = _depth(turn, few, middle, vectors, truth)
    turn = np.ascontiguousarray(turn[:directions])
    coder = _Coder.fitted(few, middle, turn)
    yield Progress(1, 4, doing, "steps")
    lists = max(16, 2 ** round(np.log2(2 * np.sqrt(len(rows)))))
    # Whole numbers of 8 bits are compared twice as fast as scaled ones.
    codes = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(directions),
        directions,
        lists,
        faiss.ScalarQuantizer.QT_8bit_direct_signed,
        faiss.METRIC_INNER_PRODUCT,
        False,
    )
    codes.cp.seed, codes.cp.niter = seed + 1234, 8
    some = np.sort(rng.choice(len(rows), min(_POINTS_PER_LIST * lists, len(rows)), replace=False))
    codes.train(np.concatenate(list(coder.codes(gallery, rows[some]))))
    yield Progress(2, 4, doing, "steps")
    done = 0
    for part in coder.codes(gallery, rows):
        codes.add_with_ids(part, rows[done : done + len(part)])
        done += len(part)
    yield Progress(3, 4, doing, "steps")
    with speaking(folder / index_file(modality)):
        _save(lambda file: faiss.write_index(codes, str(file)), folder / index_file(modality))
        _save(lambda file: _save_array(file, turn), folder / turn_file(modality))
    plan = IndexPlan(
        len(rows),
        directions,
        lists,
        (lists,) * len(SHARES),
        candidates,
        0.0,
        0.0,
        vectors.of,
        layout.describe_file(folder / index_file(modality)),
    )
    plan = _tuned(folder, modality, plan, vectors, truth, max(recall, _AIM), rng)
    yield Progress(4, 4, doing, "steps")
    return replace(plan, seconds=round(time.perf_counter() - begin, 1))


def _vectors(atlas: Atlas, modality: str, seed: int) -> Vectors:
    """Take the atlas's own vectors, and questions out of it like those of a slide."""
    rng = np.random.default_rng(seed)
    asking = "he" if "he" in atlas.modalities and modality == "mif" else modality
    own = np.flatnonzero(atlas.has(asking))
    own = np.sort(rng.choice(own, min(_QUERIES, len(own)), replace=False))
    image = widen(atlas.embeddings(asking)[own])
    queries = image.copy()
    if "text" in atlas.modalities:
        # Half of the questions carry their record's text, as predictions do.
        recorded = atlas.has("text")[own] & (np.arange(len(own)) % 2 == 0)
        text = widen(atlas.slide_texts[atlas.slide_index[own[recorded]]])
        queries[recorded] = compose_query(
            {"he": image[recorded], "text": text}, {"he": 0.8, "text": 0.2}
        )
    rows = np.flatnonzero(atlas.has(modality))
    name = layout.embeddings_file(modality)
    return Vectors(
        atlas.embeddings(modality), rows, queries, atlas.description["files"][name]["sha256"]
    )


def _main_directions(sample: NDArray[np.float32]) -> NDArray[np.float32]:
    """Orthonormal directions, those that carry most of the vectors first."""
    moments = (sample.T @ sample).astype(np.float64) / len(sample)
    directions: NDArray[np.float32] = np.linalg.eigh(moments)[1][:, ::-1].T.astype(np.float32)
    return directions


def _depth(
    turn: NDArray[np.float32],
    sample: NDArray[np.float32],
    middle: NDArray[np.float32],
    vectors: Vectors,
    truth: NDArray[np.int64],
) -> tuple[int, int]:
    """How many directions a code has and how many candidates it then takes, for the least work.

    With fewer directions codes are read faster, but the true hits lie deeper among
    the candidates; how deep is read from a sample.
    """
    dim, n = turn.shape[0], len(vectors.rows)
    hits = widen(vectors.gallery[truth.ravel()]).reshape(*truth.shape, dim) - middle
    plans = []
    for directions in (*(few for few in _DIRECTIONS if few < dim), dim):
        cut = turn[:directions]
        asked = vectors.queries @ cut.T
        rivals = np.sort(asked @ (sample @ cut.T).T, axis=1)
        scores = np.einsum("qd,qkd->qk", asked, hits @ cut.T)
        depth = np.concatenate(
            [
                len(sample) - np.searchsorted(row, mine)
                for row, mine in zip(rivals, scores, strict=True)
            ]
        )
        needed = int(np.quantile(depth, _KEPT) * n / len(sample) * 1.25) + 2 * _K
        work = _SHARE_READ * n * directions + _RANKING * needed * dim
        plans.append((work, directions, min(needed, n)))
    _, directions, needed = min(
        plan for plan in plans if plan[2] <= _MOST_CANDIDATES or plan[1] == dim
    )
    return directions, needed


@dataclass(frozen=True)
class _Coder:
    """Turns vectors into whole numbers from -127 to 127, kept in 8 bits."""

    middle: NDArray[np.float32]
    turn: NDArray[np.float32]
    scale: float

    @classmethod
    def fitted(
        cls, sample: NDArray[np.float32], middle: NDArray[np.float32], turn: NDArray[np.float32]
    ) -> _Coder:
        """Choose the step so that hardly any number is cut off."""
        turned = np.abs(sample[: 1 << 13] @ turn.T)
        return cls(middle, turn, 127 / max(float(np.quantile(turned, 0.99999)), 1e-12))

    def codes(
        self, gallery: NDArray[Any], rows: NDArray[np.int64]
    ) -> Iterator[NDArray[np.float32]]:
        """Codes of rows, some at a time."""
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            vectors = widen(gallery[rows[start : start + _ROWS_AT_ONCE]]) - self.middle
            codes = vectors @ self.turn.T
            codes *= self.scale
            np.rint(codes, out=codes)
            whole: NDArray[np.float32] = codes.clip(-127, 127).astype(np.float32, copy=False)
            yield whole


def _tuned(
    folder: Path,
    modality: str,
    plan: IndexPlan,
    vectors: Vectors,
    truth: NDArray[np.int64],
    aim: float,
    rng: np.random.Generator,
) -> IndexPlan:
    """Find for each share of kept rows the fewest lists that reach the recall aimed at.

    Every other question is kept apart from the tuning: they give the recall that is told.
    """
    index = VectorIndex.open(folder, modality, plan)
    if index is None:
        raise RuntimeError("the index that was just written cannot be read")
    tuning = np.arange(0, len(vectors.queries), 2)
    probes: list[int] = []
    for share in SHARES:
        kept, best = None, truth
        if share < 1:
            kept = np.zeros(len(vectors.gallery), bool)
            some = vectors.rows[rng.random(len(vectors.rows)) < share]
            kept[some] = True
            best = np.full_like(truth, -1)
            best[tuning] = best_rows(vectors.queries[tuning], vectors.gallery, some, _K)[0]
        n_kept = len(vectors.rows) if kept is None else int(kept.sum())
        answer = partial(_answers, index, vectors, tuning, kept, n_kept, plan.candidates)
        reached = partial(_reached, answer, best[tuning])
        probes.append(_fewest(reached, plan.lists, aim, probes[-1] if probes else 1))
    plan = replace(plan, probes=tuple(probes))
    apart = np.arange(1, len(vectors.queries), 2) if len(vectors.queries) > 1 else tuning
    found = _answers(index, vectors, apart, None, plan.rows, plan.candidates, probes[0])
    return replace(plan, recall_at_50=round(_recall(found, truth[apart]), 4))


def _answers(
    index: VectorIndex,
    vectors: Vectors,
    some: NDArray[np.int64],
    kept: NDArray[np.bool_] | None,
    n_kept: int,
    candidates: int,
    lists: int,
) -> NDArray[np.int64]:
    queries = vectors.queries[some]
    found = index.candidates(queries, kept, n_kept, _K, lists=lists, wanted=candidates)
    query, place = np.nonzero(found >= 0)
    scores = exact_scores(queries, vectors.gallery, query, found[query, place])
    return sorted_pairs(query, found[query, place], scores, len(queries), _K)[0]


def _reached(
    answer: Callable[[int], NDArray[np.int64]], truth: NDArray[np.int64], lists: int
) -> float:
    return _recall(answer(lists), truth)


def _recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    shared = [np.isin(row[row >= 0], mine).mean() for mine, row in zip(found, truth, strict=True)]
    return float(np.mean(shared))


def _fewest(recall: Callable[[int], float], most: int, aim: float, least: int) -> int:
    """Fewest lists that reach a recall: doubled first, then halved in between."""
    high = max(1, least)
    while high < most and recall(high) < aim:
        high *= 2
    high = min(high, most)
    low = max(least, high // 2)
    while high - low > max(1, low // 16):
        middle = (low + high) // 2
        if recall(middle) >= aim:
            high = middle
        else:
            low = middle
    return high


def _save_array(file: Path, array: NDArray[Any]) -> None:
    with open(file, "wb") as stream:
        np.save(stream, array)


def _save(write: Callable[[Path], None], target: Path) -> None:
    """Write a file under a temporary name, flush it and rename it."""
    partial = target.parent / f".{target.name}.new"
    try:
        write(partial)
        with open(partial, "r+b") as stream:
            os.fsync(stream.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
