"""How far a job is and how long it will still take, in words."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_haiku.jobs import Progress

_PATIENCE_S = 3.0
_BATCHES = 5


class Remaining:
    """Turns progress reports into "1,240 of 3,730 patches, 1 min 50 s left".

    Parameters
    ----------
    clock : callable
        Seconds that only grow; replaced in tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._doing: str | None = None
        self._first_done = 0
        self._first_time = 0.0
        self._reports = 0

    def describe(self, progress: Progress) -> str:
        """Sentence for one report; a job's steps are timed one by one."""
        now = self._clock()
        if progress.doing != self._doing:
            self._doing = progress.doing
            self._first_done, self._first_time, self._reports = progress.done, now, 0
        self._reports += 1
        if progress.total <= 1:
            return ""
        counted = f"{progress.done:,} of {progress.total:,} {progress.unit}".rstrip()
        done = progress.done - self._first_done
        elapsed = now - self._first_time
        left = progress.total - progress.done
        if left <= 0:
            return counted
        if done <= 0 or (elapsed < _PATIENCE_S and self._reports <= _BATCHES):
            return f"{counted}, estimating..."
        return f"{counted}, {spell_duration(elapsed / done * left)} left"


def spell_duration(seconds: float) -> str:
    """Spell a duration, rounded up to 10 s: "40 s", "1 min 50 s", "2 h 10 min".

    Parameters
    ----------
    seconds : float
        At least 0.
    """
    tens = max(1, -(-int(seconds + 0.999) // 10)) * 10
    if tens < 60:
        return f"{tens} s"
    minutes, rest = divmod(tens, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
