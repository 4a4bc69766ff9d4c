"""Long work as generators: they yield progress and return a result.

A job knows neither Qt nor napari. Closing the generator cancels it; what it
had finished stays on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Parameters
    ----------
    done, total : int
        Steps finished and steps in all.
    doing : str
        What is being done, in plain words ("Encoding", "Predicting").
    unit : str
        What a step is ("patches", "slides").
    """

    done: int
    total: int
    doing: str
    unit: str = "patches"


Job = Generator[Progress, None, T]


def run_job(job: Job[T], on_progress: Callable[[Progress], object] | None = None) -> T:
    """Run a job to its end in this thread and return its result.

    Parameters
    ----------
    job : Generator
        A generator that yields :class:`Progress` and returns the result.
    on_progress : callable, optional
        Called with every progress report.
    """
    while True:
        try:
            report = next(job)
        except StopIteration as stop:
            result: T = stop.value
            return result
        if on_progress is not None:
            on_progress(report)
