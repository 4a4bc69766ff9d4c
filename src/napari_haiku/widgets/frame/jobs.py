"""Runs jobs in threads of their own and hands their answers to the main thread."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from qtpy.QtCore import QObject, Qt, QThread, Signal

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress

T = TypeVar("T")
_REPORT_EVERY_S = 0.05
_STACK_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Failure:
    """Why a job failed.

    Parameters
    ----------
    sentence : str
        What the user reads.
    details : str or None
        Report of an unexpected error; None when the sentence says it all.
    cause : exception or None
        The mistake itself, for those who can offer a way out.
    """

    sentence: str
    details: str | None = None
    cause: BaseException | None = None


def failure_of(error: BaseException) -> Failure:
    """Put an exception into a sentence."""
    if isinstance(error, HaikuError):
        return Failure(str(error), cause=error)
    report = "".join(traceback.format_exception(error))
    if isinstance(error, MemoryError):
        sentence = "The computer ran out of memory; close other programs and try again."
        return Failure(sentence, report)
    kind = type(error).__name__
    return Failure(
        f"Something unexpected went wrong ({kind}); what was finished is kept. "
        "Details copies a report for the developers.",
        report,
    )


class _JobThread(QThread):
    reported = Signal(object, object)
    returned = Signal(object, object)
    failed = Signal(object, object)
    stopped = Signal(object)

    def __init__(self, job: Generator[Progress, None, Any]) -> None:
        super().__init__()
        self.setStackSize(_STACK_BYTES)
        self._job = job

    def run(self) -> None:
        """Step through the job until it ends, fails or is asked to stop."""
        last = 0.0
        try:
            while not self.isInterruptionRequested():
                try:
                    progress = next(self._job)
                except StopIteration as stop:
                    self.returned.emit(self, stop.value)
                    return
                now = time.monotonic()
                if now - last >= _REPORT_EVERY_S or progress.done >= progress.total:
                    last = now
                    self.reported.emit(self, progress)
            self._job.close()
            self.stopped.emit(self)
        except Exception as error:  # noqa: BLE001 - the window must outlive any job
            self.failed.emit(self, failure_of(error))


@dataclass
class _Running:
    thread: _JobThread
    on_result: Callable[[Any], object]
    on_progress: Callable[[Progress], object] | None
    on_failure: Callable[[Failure], object] | None
    on_stopped: Callable[[], object] | None
    last: Progress | None = field(default=None)


# Keeps each thread alive until it ended, whatever happens to the dock that started it.
_threads: set[_JobThread] = set()


# Keeps what is connected to ``destroyed`` out of the garbage that a dock becomes: cleared before
# the signal comes, it would crash the program.
_endings: set[Callable[..., None]] = set()


def _end(threads: set[_JobThread], *_: object) -> None:
    for thread in tuple(threads):
        thread.requestInterruption()
    for thread in tuple(threads):
        thread.wait()
        threads.discard(thread)
        _threads.discard(thread)


def _end_when_destroyed(
    threads: set[_JobThread], endings: set[Callable[..., None]], *_: object
) -> None:
    _end(threads)
    for ending in [one for one in endings if getattr(one, "args", (None,))[0] is threads]:
        endings.discard(ending)


class JobRunner(QObject):
    """Keeps at most one job per lane; a newer one in the same lane replaces it.

    A replaced or abandoned job is asked to stop at its next report and its
    answer is dropped.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lanes: dict[str, _Running] = {}
        self._own: set[_JobThread] = set()
        self._closed = False
        ending = partial(_end_when_destroyed, self._own, _endings)
        _endings.add(ending)
        self.destroyed.connect(ending)

    def start(
        self,
        work: Job[T] | Callable[[], T],
        on_result: Callable[[T], object],
        *,
        lane: str = "main",
        on_progress: Callable[[Progress], object] | None = None,
        on_failure: Callable[[Failure], object] | None = None,
        on_stopped: Callable[[], object] | None = None,
    ) -> None:
        """Start work in a thread; every callback runs on the main thread.

        Parameters
        ----------
        work : generator or callable
            A job, or a plain function without progress.
        on_result : callable
            Receives the result.
        lane : str
            Jobs in one lane replace each other.
        on_progress, on_failure, on_stopped : callable, optional
            Receive progress, the failure (of the work, or of `on_result` itself),
            and the end of a cancelled job.
        """
        if self._closed:
            return
        self.drop(lane)
        job = work if isinstance(work, Generator) else _as_job(work)
        thread = _JobThread(job)
        queued = Qt.ConnectionType.QueuedConnection
        thread.reported.connect(self._report, queued)
        thread.returned.connect(self._return, queued)
        thread.failed.connect(self._fail, queued)
        thread.stopped.connect(self._stop, queued)
        thread.finished.connect(self._forget)
        self._lanes[lane] = _Running(thread, on_result, on_progress, on_failure, on_stopped)
        self._own.add(thread)
        _threads.add(thread)
        thread.start()

    def is_running(self, lane: str | None = None) -> bool:
        """Whether a job is under way in `lane`, or in any lane."""
        return bool(self._lanes) if lane is None else lane in self._lanes

    def cancel(self, lane: str = "main") -> None:
        """Ask the job to stop at its next report; ``on_stopped`` says when it did."""
        running = self._lanes.get(lane)
        if running is not None:
            running.thread.requestInterruption()

    def drop(self, lane: str) -> None:
        """Ask the job to stop and ignore whatever it still says."""
        running = self._lanes.pop(lane, None)
        if running is not None:
            running.thread.requestInterruption()

    def close(self) -> None:
        """Stop every job and wait until the threads have ended."""
        self._closed = True
        self._lanes.clear()
        _end(self._own)

    def _of(self, thread: _JobThread) -> tuple[str, _Running] | None:
        for lane, running in self._lanes.items():
            if running.thread is thread:
                return lane, running
        return None

    def _report(self, thread: _JobThread, progress: Progress) -> None:
        found = self._of(thread)
        if found is not None and found[1].on_progress is not None:
            found[1].on_progress(progress)

    def _return(self, thread: _JobThread, result: Any) -> None:
        found = self._of(thread)
        if found is not None:
            del self._lanes[found[0]]
            try:
                found[1].on_result(result)
            except Exception as error:
                # Who waits for the answer must hear that it does not come.
                if found[1].on_failure is not None:
                    found[1].on_failure(failure_of(error))
                if not isinstance(error, HaikuError):
                    raise

    def _fail(self, thread: _JobThread, failure: Failure) -> None:
        found = self._of(thread)
        if found is not None:
            del self._lanes[found[0]]
            if found[1].on_failure is not None:
                found[1].on_failure(failure)

    def _stop(self, thread: _JobThread) -> None:
        found = self._of(thread)
        if found is not None:
            del self._lanes[found[0]]
            if found[1].on_stopped is not None:
                found[1].on_stopped()

    def _forget(self) -> None:
        for thread in tuple(self._own):
            if thread.isFinished():
                self._own.discard(thread)
                _threads.discard(thread)


def _as_job(function: Callable[[], T]) -> Job[T]:
    yield Progress(0, 1, "")
    return function()
