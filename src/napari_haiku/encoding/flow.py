"""Items through one reader and several workers at once, results in their order."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

Item = TypeVar("Item")
Value = TypeVar("Value")
Result = TypeVar("Result")

# How long to wait for a result before the waiting one is asked whether to go on.
BEAT_S = 0.2
# A cancelled thread ends after the step at hand; one that takes longer is left to end by itself.
PATIENCE_S = 0.5


@dataclass(frozen=True)
class _Failed:
    error: BaseException


class Flow(Generic[Item, Value, Result]):
    """Read ahead while others work, and hand out the results in the items' order.

    At most `ahead` items are between being read and being handed out, so that a
    fast reader fills no memory. What fails is raised in its turn: results
    before it are handed out first.

    Parameters
    ----------
    items : iterable
        What is to be done, in order.
    read : callable
        Item to value, in one thread.
    work : callable
        Item and value to result, in `workers` threads.
    workers : int
        How many.
    ahead : int, optional
        Items under way at most; two more than workers by default.
    each_worker : callable, optional
        Makes a context in which every worker thread lives.
    """

    def __init__(
        self,
        items: Iterable[Item],
        read: Callable[[Item], Value],
        work: Callable[[Item, Value], Result],
        *,
        workers: int = 1,
        ahead: int | None = None,
        each_worker: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self._items, self._read, self._work = items, read, work
        self._each_worker = each_worker
        self._change = threading.Condition()
        self._stop = threading.Event()
        self._slots = workers + 2 if ahead is None else ahead
        self._to_do: deque[tuple[int, Item, Value]] = deque()
        self._done: dict[int, Result | _Failed] = {}
        self._count: int | None = None
        names = ["reader", *["worker"] * workers]
        does = [self._keep_reading, *[self._keep_working] * workers]
        # Daemons: a step that never ends must not keep the program from ending.
        self._threads = [
            threading.Thread(target=target, name=f"encoding {name}", daemon=True)
            for name, target in zip(names, does, strict=True)
        ]

    def __enter__(self) -> Flow[Item, Value, Result]:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._change:
            self._stop.set()
            self._to_do.clear()
            self._done.clear()
            self._change.notify_all()
        until = time.monotonic() + PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def results(self) -> Iterator[Result | None]:
        """Hand out the results in order, and None whenever one is long in coming.

        Raises
        ------
        BaseException
            What reading or working raised.
        """
        number = 0
        while True:
            with self._change:
                if number not in self._done and number != self._count:
                    self._change.wait(BEAT_S)
                if number == self._count:
                    return
                result = self._done.pop(number, None)
                if result is not None:
                    number += 1
                    self._slots += 1
                    self._change.notify_all()
            if isinstance(result, _Failed):
                raise result.error
            yield result

    def _keep_reading(self) -> None:
        number = 0
        for item in self._items:
            with self._change:
                self._change.wait_for(lambda: self._slots > 0 or self._stop.is_set())
                if self._stop.is_set():
                    return
                self._slots -= 1
            try:
                value = self._read(item)
            except BaseException as error:  # noqa: BLE001 - raised again by results()
                self._finish(number, _Failed(error))
                return
            with self._change:
                if self._stop.is_set():
                    return
                self._to_do.append((number, item, value))
                self._change.notify_all()
            number += 1
        with self._change:
            self._count = number
            self._change.notify_all()

    def _keep_working(self) -> None:
        with self._each_worker():
            while True:
                with self._change:
                    self._change.wait_for(lambda: bool(self._to_do) or self._stop.is_set())
                    if self._stop.is_set():
                        return
                    number, item, value = self._to_do.popleft()
                try:
                    self._finish(number, self._work(item, value))
                except BaseException as error:  # noqa: BLE001 - raised again by results()
                    self._finish(number, _Failed(error))
                # A value is large: it must not live on until the next one comes.
                del value

    def _finish(self, number: int, result: Result | _Failed) -> None:
        with self._change:
            if not self._stop.is_set():
                self._done[number] = result
            self._change.notify_all()
