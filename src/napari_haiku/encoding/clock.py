"""Seconds spent per step of an encoding, whichever threads spend them."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """Seconds per step; steps that run side by side are added up."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        """Add what passes inside to a step."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.add(step, time.perf_counter() - begin)

    def add(self, step: str, seconds: float) -> None:
        """Add seconds to a step."""
        with self._lock:
            self.seconds[step] = self.seconds.get(step, 0.0) + seconds
