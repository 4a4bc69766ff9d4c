"""Where ``encode`` computes: in this process, or on a Dask cluster."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_haiku.encoding.pieces import Computing
    from napari_haiku.model.base import TissueModel


@contextmanager
def computing_on(
    scheduler: str | None, load: Callable[[], TissueModel]
) -> Iterator[Computing | None]:
    """Open the cluster of ``--scheduler``; None, for this process, without it."""
    if scheduler is None:
        yield None
        return
    from napari_haiku.encoding.cluster import OnACluster, open_cluster

    with open_cluster(scheduler) as client:
        yield OnACluster(client, load)
