"""Chunks written in a thread of their own, in order, while the next ones are computed."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from types import TracebackType

    from napari_haiku.encoding.clock import Clock
    from napari_haiku.encoding.pieces import Piece
    from napari_haiku.encoding.writer import EncodingWriter

# Finished chunks that may wait for a slow disk.
WAITING_CHUNKS = 2


class Committer:
    """Commits chunk after chunk behind the caller's back.

    Leaving the context waits until what was handed in is written.

    Parameters
    ----------
    writer : EncodingWriter
        The store.
    clock : Clock
        Told how long writing takes.

    Raises
    ------
    BaseException
        From any call and on leaving: what writing raised.
    """

    def __init__(self, writer: EncodingWriter, clock: Clock) -> None:
        self._writer, self._clock = writer, clock
        self._queue: queue.Queue[list[Piece] | None] = queue.Queue(WAITING_CHUNKS)
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._keep_writing, name="encoding writer", daemon=True
        )

    def __enter__(self) -> Committer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._queue.put(None)
        self._thread.join()
        if error is None:
            self._raise()

    def put(self, pieces: list[Piece]) -> None:
        """Hand in the pieces of the next chunk; waits where the disk is far behind."""
        self._raise()
        self._queue.put(pieces)

    def flush(self) -> None:
        """Wait until everything handed in is written."""
        self._queue.join()
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _keep_writing(self) -> None:
        while (pieces := self._queue.get()) is not None:
            try:
                if self._error is None:
                    with self._clock.measure("write"):
                        self._write(pieces)
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                self._error = error
            finally:
                self._queue.task_done()
        self._queue.task_done()

    def _write(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            self._writer.note_conditions(piece.conditions, piece.start)
        rows: dict[str, Any] = {
            name: np.concatenate([piece.rows[name] for piece in pieces]) for name in pieces[0].rows
        }
        self._writer.commit(rows)
