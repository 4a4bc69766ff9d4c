"""The map of patches made in a process of its own, so that the window never waits for it.

UMAP's compiled loops hold Python's lock for whole epochs and cannot be stopped in the middle; a
process can be, and leaves the window its processor time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from numpy.typing import NDArray

    from napari_haiku.analysis.niches.niches import GroupBy
    from napari_haiku.jobs import Job

_LOOK_EVERY_S = 0.1
_POLITE = 5
_CHILD = "from napari_haiku.viewer.niches.projecting import project_here; project_here()"
DOING = "Drawing the map of patches"


def project_apart(encoding: Path, modality: GroupBy, *, seed: int = 0) -> Job[NDArray[np.float32]]:
    """Lay the patches of an encoding out on a plane by UMAP, in another process.

    Parameters
    ----------
    encoding : Path
        A complete encoding.
    modality : {"he", "mif", "both"}
        What makes two patches alike.
    seed : int
        The same seed gives the same map.

    Returns
    -------
    ndarray of float32, shape (n, 2)
        Place of each patch; NaN for one without a vector.

    Raises
    ------
    HaikuError
        Too few patches, or the process ended without an answer.
    """
    yield Progress(0, 1, DOING)
    with tempfile.TemporaryDirectory(prefix="napari-haiku-") as folder:
        target = Path(folder) / "points.npy"
        arguments = [str(encoding), modality, str(seed), str(target)]
        process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        try:
            yield from _progress_of(process)
            if not target.is_file():
                raise HaikuError(
                    "The map of patches could not be drawn on this computer; niches work without."
                )
            points: NDArray[np.float32] = np.load(target)
        finally:
            process.kill()
            process.wait()
    return points


def _progress_of(process: subprocess.Popen[str]) -> Iterator[Progress]:
    lines: SimpleQueue[str | None] = SimpleQueue()
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    last = Progress(0, 1, DOING)
    while True:
        try:
            line = lines.get(timeout=_LOOK_EVERY_S)
        except Empty:
            yield last
            continue
        if line is None:
            return
        told: dict[str, Any] = json.loads(line)
        if "refused" in told:
            raise HaikuError(told["refused"])
        last = Progress(told["done"], told["total"], DOING, told["unit"])
        yield last


def _read(stream: IO[str] | None, lines: SimpleQueue[str | None]) -> None:
    if stream is not None:
        with stream:
            for line in stream:
                lines.put(line)
    lines.put(None)


def project_here() -> None:
    """Do the work of :func:`project_apart` and tell about it on standard output, in JSON."""
    from napari_haiku.analysis.niches.projection import ProjectionRequest, project_encodings
    from napari_haiku.encoding.store import Encoding

    encoding, modality, seed, target = sys.argv[1:]
    if hasattr(os, "nice"):
        os.nice(_POLITE)
    kind: GroupBy = "he" if modality == "he" else "mif" if modality == "mif" else "both"
    request = ProjectionRequest(modality=kind, seed=int(seed))
    try:
        job = project_encodings([Encoding.open(encoding)], request)
        while True:
            step = next(job)
            _tell({"done": step.done, "total": step.total, "unit": step.unit})
    except StopIteration as stop:
        with Path(target).open("wb") as file:
            np.save(file, stop.value.of(0))
    except HaikuError as error:
        _tell({"refused": str(error)})


def _tell(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()
