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
# What presses the buttons for the benchmark is no part of what is measured.
DRIVER = "widgets/journey"
# Drawing by software GL is not the plugin's work: a frame of it wins when it is innermost.
DRAWING = ("vispy", "napari/_vispy", "OpenGL")
# What napari itself does when the plugin asks it for something: making a layer and its controls.
NAPARI = "/site-packages/napari/"
ASKED = " (napari)"
TICK_MS = 5
LOOK_S = 0.005
SEEN_FROM_MS = 20.0
LIMIT_MS = 50.0


@dataclass
class Phase:
    """What one phase left.

    Attributes
    ----------
    gaps_ms, cpu_ms : list of float
        Time between two ticks beyond the tick itself: on the clock, and spent
        computing by the main thread (a busy machine adds to the first only).
    own_ms : list of float
        The part of each gap that the plugin's own code held: by what was on the
        stack in gaps over 20 ms, all of a shorter one.
    asked_ms : list of float
        The part that napari spent on what the plugin had asked it for.
    longest_of_holder : Counter
        The longest stretch of each that was on the stack, and how often it was
        over 50 ms.
    stacks : Counter
        What was on the stack, innermost first, in the plugin's own gaps over 50 ms.
    """

    gaps_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    own_ms: list[float] = field(default_factory=list)
    asked_ms: list[float] = field(default_factory=list)
    longest_of_holder: Counter[str] = field(default_factory=Counter)
    over_limit: Counter[str] = field(default_factory=Counter)
    stacks: Counter[str] = field(default_factory=Counter)

    def row(self) -> dict[str, float]:
        """p50, p99 and the longest, and how often 50 ms were passed."""
        cpu, own = np.array(self.cpu_ms or [0.0]), np.array(self.own_ms or [0.0])
        asked = np.array(self.asked_ms or [0.0])
        return {
            "ticks": len(self.gaps_ms),
            "p50": float(np.percentile(self.gaps_ms or [0.0], 50)),
            "p99": float(np.percentile(self.gaps_ms or [0.0], 99)),
            "max": float(max(self.gaps_ms or [0.0])),
            "cpu_p99": float(np.percentile(cpu, 99)),
            "cpu_max": float(cpu.max()),
            "own_p99": float(np.percentile(own, 99)),
            "own_max": float(own.max()),
            "own_over_50": int((own > LIMIT_MS).sum()),
            "asked_p99": float(np.percentile(asked, 99)),
            "asked_max": float(asked.max()),
            "asked_over_50": int((asked > LIMIT_MS).sum()),
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
        self._stacks: Counter[str] = Counter()
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
        self._forget()

    def _forget(self) -> None:
        self._seen.clear()
        self._stacks.clear()

    def _tick(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        gap = max(0.0, (now - self._last) * 1000 - TICK_MS)
        if self._phase is not None:
            used = (cpu - self._last_cpu) * 1000
            self._phase.gaps_ms.append(gap)
            self._phase.cpu_ms.append(used)
            own, asked = self._shares(gap)
            self._phase.own_ms.append(own)
            self._phase.asked_ms.append(asked)
        self._forget()
        self._last, self._last_cpu = now, cpu

    def _shares(self, gap: float) -> tuple[float, float]:
        """Divide a gap by what was on the stack: the plugin's own part, and what it asked for."""
        seen = dict(self._seen)
        whole = sum(seen.values())
        if gap <= SEEN_FROM_MS or not whole or self._phase is None:
            return gap, 0.0
        own = asked = 0.0
        for holder, count in seen.items():
            share = gap * count / whole
            longest = self._phase.longest_of_holder
            longest[holder] = max(longest[holder], share)
            self._phase.over_limit[holder] += share > LIMIT_MS
            if holder.endswith(ASKED):
                asked += share
            elif ":" in holder:
                own += share
        if own > LIMIT_MS:
            self._phase.stacks.update(self._stacks)
        return own, asked

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            if self._phase is None or time.perf_counter() - self._last < SEEN_FROM_MS / 1000:
                continue
            self._look()

    def _look(self) -> None:
        # The frame must be let go at once: it keeps alive what the window's thread paints with.
        frame = sys._current_frames().get(self._main)  # noqa: SLF001 - there is no other way
        holder = _holder(frame)
        self._seen[holder] += 1
        if ":" in holder and not holder.endswith(ASKED):
            self._stacks[_stack(frame)] += 1


def _holder(frame) -> str:
    """Name the innermost frame that tells whose work it is."""
    asked = ""
    while frame is not None:
        file = frame.f_code.co_filename.replace("\\", "/")
        if any(part in file for part in DRAWING):
            return "canvas (drawing)"
        if NAPARI in file:
            asked = ASKED
        if f"/{OURS}/" in file:
            room = file.split(f"/{OURS}/")[-1].removesuffix(".py")
            if room == DRIVER:
                break
            return f"{room}: {frame.f_code.co_name}{asked}"
        frame = frame.f_back
    return "napari and Qt"


def _stack(frame) -> str:
    """Name the innermost frames with their lines, as far as six of the plugin's own."""
    said, ours = [], 0
    while frame is not None and len(said) < 24 and ours < 6:
        file = frame.f_code.co_filename.replace("\\", "/")
        ours += f"/{OURS}/" in file
        said.append(f"{'/'.join(file.split('/')[-2:])}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(said)
