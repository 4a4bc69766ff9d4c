"""A job's progress on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_haiku.jobs import Progress

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def shown(stream: TextIO) -> Iterator[Callable[[Progress], None]]:
    """Give a function that shows each progress report on `stream`."""
    if stream.isatty():
        with _bar(stream) as show:
            yield show
    else:
        yield Lines(stream)


class Lines:
    """One line when a step begins, when it ends, and every few seconds between.

    Parameters
    ----------
    stream : TextIO
        Where the lines go.
    clock : callable
        Seconds that only grow.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._doing = ""
        self._spoken = float("-inf")
        self._began = (0.0, 0)

    def __call__(self, report: Progress) -> None:
        """Show one report."""
        now = self._clock()
        ends = 0 < report.total <= report.done
        if report.doing == self._doing and not ends and now - self._spoken < SECONDS_BETWEEN_LINES:
            return
        if report.doing != self._doing or report.done < self._began[1]:
            self._began = (now, report.done)
        self._doing, self._spoken = report.doing, now
        print(sentence(report) + self._left(report, now), file=self._stream, flush=True)

    def _left(self, report: Progress, now: float) -> str:
        """Say how long it will still take, by the pace since the step began."""
        seconds, first = self._began
        done, left = report.done - first, report.total - report.done
        if done <= 0 or left <= 0:
            return ""
        return f", {spell_duration((now - seconds) / done * left)} left"


def sentence(report: Progress) -> str:
    """Put a report into words ("Encoding: 256 of 441 patches")."""
    if report.total <= 0:
        return f"{report.doing} ..."
    return f"{report.doing}: {report.done:,} of {report.total:,} {report.unit}"


def spell_duration(seconds: float) -> str:
    """Spell a duration, rounded up: "40 s", "2 min", "1 h 5 min"."""
    if seconds <= 90:
        return f"{max(1, round(seconds))} s"
    minutes = -(-round(seconds) // 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def _bar(stream: TextIO) -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(file=stream),
        transient=True,
    )
    with bars:
        # Told at once: the first report of a job may take a while.
        task = bars.add_task("Starting ...", total=None)

        def show(report: Progress) -> None:
            bars.update(
                task,
                description=sentence(report),
                completed=report.done,
                total=report.total if report.total > 0 else None,
            )

        yield show
