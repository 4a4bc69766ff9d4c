"""Spread work over the processors where each piece is too small for a library's own threads."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


def spread(work: Callable[[T], object], parts: Sequence[T]) -> None:
    """Do `work` for each part; pieces that leave Python's lock free run side by side."""
    if len(parts) > 1 and threads() > 1:
        with ThreadPoolExecutor(threads()) as pool:
            list(pool.map(work, parts))
    else:
        for part in parts:
            work(part)


@cache
def threads() -> int:
    """Threads to use: as many as the process may, or as OMP_NUM_THREADS says."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cores, int(asked)) if asked.isdigit() else cores)
