"""Times when the window did not answer, and what held it up."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from qtpy.QtCore import QTimer

OURS = "napari_haiku"
# Drawing by software GL is not the plugin's work: a frame of it wins when it is innermost.
DRAWING = ("vispy", "napari/_vispy", "OpenGL")
TICK_MS = 5
LOOK_S = 0.01


@dataclass
class Phase:
    """What one phase left.

    Attributes
    ----------
    gaps_ms, cpu_ms : list of float
        Time between two ticks beyond the tick itself: on the clock, and spent
        computing by the main thread (a busy machine adds to the first only).
    holders_ms : Counter
        Milliseconds of gaps over 20 ms by what was on the stack.
    """

    gaps_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    holders_ms: Counter[str] = field(default_factory=Counter)
    longest_of_holder: Counter[str] = field(default_factory=Counter)

    def row(self) -> dict[str, float]:
        """p50, p99 and the longest, and how often 50 ms were passed."""
        cpu = np.array(self.cpu_ms or [0.0])
        return {
            "ticks": len(self.gaps_ms),
            "p50": float(np.percentile(self.gaps_ms or [0.0], 50)),
            "p99": float(np.percentile(self.gaps_ms or [0.0], 99)),
            "max": float(max(self.gaps_ms or [0.0])),
            "cpu_p99": float(np.percentile(cpu, 99)),
            "cpu_max": float(cpu.max()),
        }


class StallRecorder:
    """Ticks on the main thread, and a second thread that looks at its stack while it is silent.

    Started and stopped on the main thread.
    """

    def __init__(self) -> None:
        self.phases: dict[str, Phase] = {}
        self._phase: Phase | None = None
        self._main = threading.main_thread().ident
        self._last = time.perf_counter()
        self._last_cpu = time.thread_time()
        self._seen: Counter[str] = Counter()
        self._stop = threading.Event()
        self._timer = QTimer()
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begin to tick and to look."""
        self._timer.start()
        self._watcher.start()

    def stop(self) -> None:
        """End both."""
        self._timer.stop()
        self._stop.set()
        self._watcher.join()

    def enter(self, name: str | None) -> None:
        """Name what happens from now on; None: nothing is recorded."""
        self._phase = None if name is None else self.phases.setdefault(name, Phase())
        self._last, self._last_cpu = time.perf_counter(), time.thread_time()
        self._seen.clear()

    def _tick(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        gap = max(0.0, (now - self._last) * 1000 - TICK_MS)
        if self._phase is not None:
            used = (cpu - self._last_cpu) * 1000
            self._phase.gaps_ms.append(gap)
            self._phase.cpu_ms.append(used)
            seen = dict(self._seen)
            whole = sum(seen.values())
            if gap > 20 and whole:
                for holder, count in seen.items():
                    share = gap * count / whole
                    self._phase.holders_ms[holder] += share
                    self._phase.longest_of_holder[holder] = max(
                        self._phase.longest_of_holder[holder], share
                    )
        self._seen.clear()
        self._last, self._last_cpu = now, cpu

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            if self._phase is None or time.perf_counter() - self._last < 0.02:
                continue
            frame = sys._current_frames().get(self._main)  # noqa: SLF001 - there is no other way
            self._seen[_holder(frame)] += 1


def _holder(frame) -> str:
    """Name the innermost frame that tells whose work it is."""
    while frame is not None:
        file = frame.f_code.co_filename.replace("\\", "/")
        if any(part in file for part in DRAWING):
            return "canvas (drawing)"
        if f"/{OURS}/" in file:
            room = file.split(f"/{OURS}/")[-1].removesuffix(".py")
            return f"{room}: {frame.f_code.co_name}"
        frame = frame.f_back
    return "napari and Qt"
