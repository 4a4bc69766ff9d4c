"""One dock's jobs as its message strip shows them: progress, remaining time, Cancel, failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from qtpy.QtCore import QObject, QTimer

from napari_haiku.widgets.frame.jobs import Failure, JobRunner
from napari_haiku.widgets.frame.remaining import Remaining

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_haiku.jobs import Job, Progress
    from napari_haiku.viewer.workspace import Workspace
    from napari_haiku.widgets.frame.message_strip import MessageStrip

T = TypeVar("T")
_SHOW_AFTER_MS = 300


class JobDesk(QObject):
    """Starts jobs and speaks about them in the strip."""

    def __init__(self, strip: MessageStrip, workspace: Workspace, parent: QObject) -> None:
        super().__init__(parent)
        self._strip = strip
        self._workspace = workspace
        self._runner = JobRunner(self)
        self._shown: dict[str, _Shown] = {}

    def run(
        self,
        work: Job[T] | Callable[[], T],
        on_result: Callable[[T], object],
        doing: str,
        *,
        on_progress: Callable[[Progress], object] | None,
        on_failure: Callable[[Failure], object] | None,
        on_stopped: Callable[[Progress | None], object] | None,
        lane: str,
        quiet: bool,
    ) -> None:
        """Do work in a thread, showing progress after 0.3 s.

        A newer job in the same lane replaces the older one, whose answer is
        then dropped. Callbacks run on the main thread and not after the dock
        closed.

        Parameters
        ----------
        work : job generator or callable
            What to do; it must not touch the viewer, Qt or the workspace.
        on_result : callable
            Receives the result.
        doing : str
            What the strip says ("Predicting").
        on_progress : callable, optional
            Receives every report as well.
        on_failure : callable, optional
            Called after the red strip was shown.
        on_stopped : callable, optional
            Called with the last report after a Cancel; without it the strip
            says "Stopped."
        lane : str
            Jobs in one lane replace each other.
        quiet : bool
            Show no progress (for work under a second).
        """
        self._end(lane)
        shown = _Shown(doing, quiet, self._show_one(lane), self)
        self._shown[lane] = shown

        def progressed(report: Progress) -> None:
            shown.report(report)
            if on_progress is not None:
                on_progress(report)

        def returned(result: T) -> None:
            self._end(lane)
            on_result(result)

        def failed(failure: Failure) -> None:
            self._end(lane)
            self.show_failure(failure)
            if on_failure is not None:
                on_failure(failure)

        def stopped() -> None:
            self._end(lane)
            if on_stopped is None:
                self._strip.say("caution", "Stopped.")
            else:
                on_stopped(shown.latest)

        self._runner.start(
            work,
            returned,
            lane=lane,
            on_progress=progressed,
            on_failure=failed,
            on_stopped=stopped,
        )
        if not quiet:
            self._workspace.busy = doing

    def is_running(self, lane: str | None) -> bool:
        """Whether a job is under way in `lane`, or in any."""
        return self._runner.is_running(lane)

    def cancel(self, lane: str) -> None:
        """Ask the job to stop at its next report."""
        if self._runner.is_running(lane):
            self._shown[lane].silence()
            self._runner.cancel(lane)
            self._strip.say("running", "Stopping after the step under way...", key="progress")

    def cancel_all(self) -> None:
        """Cancel every job that shows progress."""
        for lane, shown in tuple(self._shown.items()):
            if not shown.quiet:
                self.cancel(lane)

    def show_failure(self, failure: Failure) -> None:
        """Say in red what went wrong."""
        self._strip.say("failed", failure.sentence, details=failure.details)

    def close(self) -> None:
        """Stop every job and wait for it."""
        for shown in self._shown.values():
            shown.silence()
        self._shown.clear()
        self._runner.close()

    def _show_one(self, lane: str) -> Callable[[str, str, int, int], None]:
        def show(doing: str, text: str, done: int, total: int) -> None:
            self._strip.show_progress(doing, text, done, total, lambda: self.cancel(lane))

        return show

    def _end(self, lane: str) -> None:
        shown = self._shown.pop(lane, None)
        if shown is not None:
            shown.silence()
        if not any(not other.quiet for other in self._shown.values()):
            self._workspace.busy = None
            self._strip.clear("progress")


class _Shown:
    """One job's line in the strip; silent for the first 0.3 s, and always when quiet."""

    def __init__(
        self,
        doing: str,
        quiet: bool,
        show: Callable[[str, str, int, int], None],
        parent: QObject,
    ) -> None:
        self.quiet = quiet
        self.latest: Progress | None = None
        self._doing = doing
        self._show = show
        self._text = ""
        self._remaining = Remaining()
        self._waiting = True
        self._timer: QTimer | None = None
        if not quiet:
            self._timer = QTimer(parent)
            self._timer.setSingleShot(True)
            self._timer.setInterval(_SHOW_AFTER_MS)
            self._timer.timeout.connect(self._waited)
            self._timer.start()

    def report(self, progress: Progress) -> None:
        """Take a report, and show it unless it is too early."""
        self.latest = progress
        self._text = self._remaining.describe(progress)
        if not self._waiting:
            self._write()

    def silence(self) -> None:
        """Show nothing from now on."""
        self._waiting = True
        if self._timer is not None:
            self._timer.stop()
            self._timer.deleteLater()
            self._timer = None

    def _waited(self) -> None:
        self._waiting = False
        self._write()

    def _write(self) -> None:
        latest = self.latest
        doing = latest.doing if latest is not None and latest.doing else self._doing
        if latest is None or not self._text:
            self._show(f"{doing}...", "", 0, 0)
        else:
            self._show(f"{doing}:", self._text, latest.done, latest.total)
