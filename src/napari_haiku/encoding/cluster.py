"""The same encoding on a Dask cluster: one task a chunk, the store written here.

A task depends on nothing but its arguments and changes nothing, so that a
worker that dies costs its tasks alone: others do them again, and the bytes are
the same.
"""

from __future__ import annotations

import pickle
import threading
from collections import deque
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from napari_haiku.encoding.cluster_task import encode_chunk
from napari_haiku.encoding.flow import BEAT_S
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from napari_haiku.encoding.clock import Clock
    from napari_haiku.encoding.pieces import Piece, Work
    from napari_haiku.model.base import TissueModel

LOCAL = "local:"
# Chunks under way per worker: one computed, one ready to begin.
CHUNKS_PER_WORKER = 2
# Deaths of workers that one chunk may be involved in before it is given up.
ALLOWED_DEATHS = 5


class OnACluster:
    """Computes pieces on the workers of a Dask cluster.

    Images are opened by the workers under the path that they have here.

    Parameters
    ----------
    client : distributed.Client
        The cluster.
    load : callable
        Opens the model on a worker; must travel by pickle, such as a
        ``functools.partial`` of
        :func:`napari_haiku.model.loading.load_model`.
    """

    def __init__(self, client: Any, load: Callable[[], TissueModel]) -> None:
        self._client, self._load = client, load

    @contextmanager
    def pieces(self, work: Work, clock: Clock) -> Iterator[Iterable[Piece | None]]:
        """Compute one piece per chunk; leaving the context gives up what is under way."""
        payload = pickle.dumps(
            (self._load, work.request, work.encoding.planned_grid, work.encoding.description)
        )
        key = sha256(payload).hexdigest()
        waiting: deque[Any] = deque()
        try:
            yield self._in_order(work, key, payload, waiting, clock)
        finally:
            for future in waiting:
                with suppress(Exception):
                    future.cancel()

    def _in_order(
        self, work: Work, key: str, payload: bytes, waiting: deque[Any], clock: Clock
    ) -> Iterator[Piece | None]:
        from distributed import KilledWorker

        # A future of its own, so that it travels once to each worker and not with each task;
        # kept by name, so that it is made again where a worker took it along.
        shared = self._client.submit(bytes, payload, key=f"slide-{key}", pure=True)
        left = deque(work.spans)
        finished = threading.Event()
        while left or waiting:
            while left and len(waiting) < CHUNKS_PER_WORKER * max(1, self._workers()):
                span = left.popleft()
                waiting.append(
                    self._client.submit(
                        encode_chunk,
                        shared,
                        key,
                        span,
                        dict(work.reduced),
                        key=f"chunk-{key[:16]}-{span[0]}",
                        retries=0,
                    )
                )
                waiting[-1].add_done_callback(lambda _future: finished.set())
            if not waiting[0].done():
                finished.wait(BEAT_S)
                finished.clear()
                yield None
                continue
            try:
                pieces, seconds = waiting[0].result()
            except KilledWorker as error:
                raise HaikuError(
                    "Several workers died one after another over the same patches: look at "
                    "their logs, they may lack memory."
                ) from error
            except (OSError, CancelledError) as error:
                raise HaikuError(
                    f"The cluster cannot be reached any more ({type(error).__name__}): run the "
                    "same command again to go on."
                ) from error
            waiting.popleft()
            for step, spent in seconds.items():
                clock.add(step, spent)
            yield from pieces

    def _workers(self) -> int:
        try:
            return len(self._client.scheduler_info(n_workers=-1)["workers"])
        except OSError:
            return 1  # what became of the cluster is told where a result is waited for


@contextmanager
def open_cluster(scheduler: str) -> Iterator[Any]:
    """Connect to a Dask scheduler, or start workers on this machine.

    Parameters
    ----------
    scheduler : str
        An address such as ``"tcp://host:8786"``, or ``"local:N"`` for N worker
        processes here; with GPUs, each has one of its own.

    Yields
    ------
    distributed.Client

    Raises
    ------
    HaikuError
        Dask's distributed package is missing, the text is neither, or nobody
        answers at the address.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise HaikuError(
            "--scheduler needs Dask's distributed package: pip install 'napari-haiku[cluster]'."
        ) from error
    if scheduler.startswith(LOCAL):
        with _local_cluster(scheduler) as cluster, Client(cluster, set_as_default=False) as client:
            yield client
        return
    try:
        # Never the default: dask would hand every other reading of this process to it.
        client = Client(scheduler, timeout=10, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise HaikuError(
            f"No Dask scheduler answers at '{scheduler}': give its address, such as "
            "tcp://host:8786, or local:N for N workers on this machine."
        ) from error
    with client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            raise HaikuError(
                f"The Dask scheduler at '{scheduler}' has no workers: start one per GPU with "
                "'dask worker ADDRESS --nthreads 1'."
            )
        yield client


@contextmanager
def _local_cluster(scheduler: str) -> Iterator[Any]:
    import dask
    from distributed import Nanny, Scheduler, SpecCluster

    text = scheduler.removeprefix(LOCAL)
    if not text.isdecimal() or not 1 <= int(text) <= 256:
        raise HaikuError(f"'{scheduler}' says no number of workers: write local:2, for example.")
    count = int(text)
    workers = {
        number: {
            "cls": Nanny,
            "options": {"nthreads": 1, "name": number, "env": environment},
        }
        for number, environment in enumerate(_environments(count))
    }
    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
        # A busy machine takes its time to start a process.
        "distributed.comm.timeouts.connect": "180s",
        "distributed.comm.timeouts.tcp": "180s",
    }
    with dask.config.set(settings):
        cluster = SpecCluster(
            workers=workers,
            scheduler={"cls": Scheduler, "options": {"dashboard": False, "port": 0}},
            silence_logs=50,
        )
        try:
            yield cluster
        finally:
            # On a busy machine a worker may take longer to end than is waited for; it is killed.
            with suppress(TimeoutError):
                cluster.close()


def _environments(count: int) -> list[dict[str, str]]:
    """Share the GPUs, or else the cores, among the workers of this machine."""
    import torch

    gpus = torch.cuda.device_count()
    if gpus:
        return [{"CUDA_VISIBLE_DEVICES": str(number % gpus)} for number in range(count)]
    threads = max(1, torch.get_num_threads() // count)
    return [{"OMP_NUM_THREADS": str(threads)} for _ in range(count)]
