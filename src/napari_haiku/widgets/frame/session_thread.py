"""The thread in which sessions are read and written, one call after the other."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_haiku.viewer.session.session_store import SessionStore


class SessionThread(QObject):
    """Does work on disk in order and gives each answer on the main thread.

    Parameters
    ----------
    take : callable
        Receives the session, the answer or the exception, and what the asker
        wants called with it (or None).
    """

    answered = Signal(object, object, object)

    def __init__(self, take: Callable[..., object], parent: QObject) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="haiku-session")
        self._take = take
        self.unanswered = 0
        self.answered.connect(self._hand_over, Qt.ConnectionType.QueuedConnection)

    def submit(
        self,
        store: SessionStore,
        work: Callable[[], object],
        then: Callable[[object], object] | None = None,
    ) -> None:
        """Have work done after what was handed over before."""

        def run() -> None:
            try:
                answer = work()
            except Exception as error:  # noqa: BLE001 - said in the window, which must go on
                answer = error
            self.answered.emit(store, answer, then)

        self.unanswered += 1
        self._pool.submit(run)

    def _hand_over(self, store: SessionStore, answer: object, then: object) -> None:
        self.unanswered -= 1
        self._take(store, answer, then)

    def do(self, work: Callable[[], object]) -> None:
        """Have work done whose answer nobody waits for."""
        self._pool.submit(work)

    def wait(self) -> None:
        """Wait until everything handed over is done."""
        done = threading.Event()
        self._pool.submit(done.set)
        done.wait()

    def close(self) -> None:
        """Do what was handed over, then end."""
        self._pool.shutdown(wait=True)
