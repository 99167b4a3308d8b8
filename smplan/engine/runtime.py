"""Time and worker threads as the engine uses them; a simulation replaces both."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")

SIGNAL_SECONDS = 0.2
"""The longest wait of the main thread. Python runs signal handlers between two of its bytecodes, and a signal that
arrives just before a wait, or in another thread, does not end that wait."""


class ResultQueue(Generic[A]):
    """Results of workers, on their way to the main thread."""

    def __init__(self) -> None:
        self._results: SimpleQueue[A] = SimpleQueue()

    def put(self, result: A) -> None:
        """Add ``result``; never blocks."""
        self._results.put(result)

    def take(self) -> list[A]:
        """Everything that was put since the last call, in order; blocks until there is something."""
        taken: list[A] = []
        while not taken:
            with suppress(Empty):
                taken.append(self._results.get(timeout=SIGNAL_SECONDS))
        with suppress(Empty):
            while True:
                taken.append(self._results.get_nowait())
        return taken


class WorkerPool:
    """At most ``size`` worker threads. Leaving the ``with`` block waits for all of them."""

    def __init__(self, size: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix=name)

    def start(self, work: Callable[[], None]) -> None:
        """Run ``work`` in a worker; what it raises is lost."""
        self._pool.submit(work)

    def map(self, work: Callable[[A], B], items: Iterable[A]) -> list[B]:
        """``work`` of each of ``items``, in their order. Raises the error of the first item that failed."""
        return list(self._pool.map(work, items))

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown()


class Runtime:
    """Real time and real threads."""

    def now(self) -> float:
        """Monotonic time in seconds."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until ``event`` is set, for ``seconds`` at the most; returns whether it is set."""
        return event.wait(seconds)

    def worker_pool(self, size: int, name: str) -> WorkerPool:
        """A new pool."""
        return WorkerPool(size, name)

    def result_queue(self) -> ResultQueue[Any]:
        """A new queue."""
        return ResultQueue()


SYSTEM = Runtime()
"""The default runtime."""
