"""One search over several atlases, the shards of one too large for a machine.

Each shard answers by itself, in this process or as a task of a Dask cluster, and the answers are
merged: exact shards give exactly what one atlas of all their patches would give.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.atlas.search import Exclusion, Hits, search
from napari_haiku.atlas.selection import NobodyAnswersError
from napari_haiku.atlas.store import Atlas
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_QUERIES_AT_ONCE = 4096


@dataclass(frozen=True)
class ShardHits:
    """The most similar patches of each query over all shards, best first.

    Parameters
    ----------
    shard : ndarray of int64, shape (q, k)
        Which shard each hit lies in; -1 where there are fewer than k.
    indices : ndarray of int64, shape (q, k)
        Its row there.
    similarity : ndarray of float32, shape (q, k)
        Dot products; NaN where there is no hit.
    """

    shard: NDArray[np.int64]
    indices: NDArray[np.int64]
    similarity: NDArray[np.float32]


def search_shards(
    shards: Sequence[Path | str],
    vectors: NDArray[np.float32],
    *,
    target: str = "mif",
    k: int = 50,
    where: str | None = None,
    exclude: Exclusion | None = None,
    query_positions_um: NDArray[np.float64] | None = None,
    exact: bool = False,
    client: Any = None,
) -> ShardHits:
    """Search several atlases as one.

    Parameters
    ----------
    shards : sequence of Path or str
        Atlases of one model; with a cluster, as its workers see them.
    vectors, target, k, where, exclude, query_positions_um, exact
        As :func:`napari_haiku.atlas.search.search`.
    client : dask.distributed.Client, optional
        Cluster on which each shard is searched, in batches of queries. A task
        that is lost is done again.

    Returns
    -------
    ShardHits
        Ties go to the earlier shard, then to the lower row.

    Raises
    ------
    HaikuError
        No shard can answer, they come from different models, or one is damaged.
    """
    if not shards:
        raise HaikuError("There is no shard to search: give at least one atlas.")
    queries = np.atleast_2d(np.asarray(vectors, np.float32))
    asked = {
        "target": target,
        "k": k,
        "where": where,
        "exclude": exclude,
        "exact": exact,
    }
    parts = [
        slice(start, start + _QUERIES_AT_ONCE) for start in range(0, len(queries), _QUERIES_AT_ONCE)
    ]
    tasks = [
        (str(shard), queries[part], _of(query_positions_um, part), asked)
        for part in parts
        for shard in shards
    ]
    if client is None:
        answers = [_answer(*task) for task in tasks]
    else:
        answers = client.gather([client.submit(_answer, *task, pure=True) for task in tasks])
    if len({answer.model for answer in answers}) > 1:
        raise HaikuError("The shards were made with different models: search atlases of one model.")
    if all(answer.hits is None for answer in answers):
        raise NobodyAnswersError(answers[0].reason)
    merged = [
        _merged([answer.hits for answer in answers[place : place + len(shards)]], part, queries, k)
        for place, part in zip(range(0, len(answers), len(shards)), parts, strict=True)
    ]
    return ShardHits(*(np.concatenate(columns) for columns in zip(*merged, strict=True)))


@dataclass(frozen=True)
class _Answer:
    model: str
    hits: Hits | None
    reason: str = ""


def _answer(
    shard: str,
    queries: NDArray[np.float32],
    positions: NDArray[np.float64] | None,
    asked: dict[str, Any],
) -> _Answer:
    atlas = Atlas.open(shard)
    if asked["target"] not in atlas.modalities:
        return _Answer(atlas.model_fingerprint, None, f"No shard has {asked['target']} vectors.")
    try:
        hits = search(atlas, queries, query_positions_um=positions, **asked)
    except NobodyAnswersError as nobody:
        return _Answer(atlas.model_fingerprint, None, str(nobody))
    return _Answer(atlas.model_fingerprint, hits)


def _of(positions: NDArray[np.float64] | None, part: slice) -> NDArray[np.float64] | None:
    return None if positions is None else np.atleast_2d(positions)[part]


def _merged(
    hits: list[Hits | None], part: slice, queries: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    n = len(queries[part])
    nobody = Hits(np.full((n, k), -1, np.int64), np.full((n, k), np.nan, np.float32))
    here = [nobody if some is None else some for some in hits]
    indices = np.concatenate([some.indices for some in here], axis=1)
    similarity = np.concatenate([some.similarity for some in here], axis=1)
    shard = np.repeat(np.arange(len(here)), k)[None].repeat(n, axis=0)
    # Within a shard hits are in order already: a stable sort keeps ties as they should be.
    order = np.argsort(np.where(indices < 0, np.inf, -similarity), axis=1, kind="stable")[:, :k]
    indices = np.take_along_axis(indices, order, axis=1)
    shard = np.where(indices < 0, -1, np.take_along_axis(shard, order, axis=1))
    return shard, indices, np.take_along_axis(similarity, order, axis=1)
