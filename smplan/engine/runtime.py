"""How time passes and how work is done side by side: by clock and threads, unless a simulation puts its own there."""

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
"""Python runs a signal's handler between two steps of the main thread's code, and a signal that comes just before a
wait, or to another thread, does not end it: so no wait for news is longer than this."""


class ResultQueue(Generic[A]):
    """Where workers leave news for the one thread that listens."""

    def __init__(self) -> None:
        self._news: SimpleQueue[A] = SimpleQueue()

    def put(self, news: A) -> None:
        """Leave ``news``; never waits."""
        self._news.put(news)

    def take(self) -> list[A]:
        """Everything that was left since, in its order; waits until there is something."""
        taken: list[A] = []
        while not taken:
            with suppress(Empty):
                taken.append(self._news.get(timeout=SIGNAL_SECONDS))
        with suppress(Empty):
            while True:
                taken.append(self._news.get_nowait())
        return taken


class WorkerPool:
    """At most ``size`` workers side by side. Leaving the ``with`` block waits for all of them."""

    def __init__(self, size: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix=name)

    def start(self, work: Callable[[], None]) -> None:
        """Have ``work`` done; what it raises is lost."""
        self._pool.submit(work)

    def each(self, work: Callable[[A], B], items: Iterable[A]) -> list[B]:
        """What ``work`` makes of each of ``items``, in their order. Raises what the first of them raised."""
        return list(self._pool.map(work, items))

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown()


class Runtime:
    """Real time and real threads."""

    def now(self) -> float:
        """Seconds since some fixed moment; never jumps."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let ``seconds`` pass, fewer if ``event`` is set before; whether it is."""
        return event.wait(seconds)

    def crew(self, size: int, name: str) -> WorkerPool:
        """A new crew."""
        return WorkerPool(size, name)

    def mailbox(self) -> ResultQueue[Any]:
        """A new mailbox."""
        return ResultQueue()


REAL = Runtime()
"""What everybody gets who asks for nothing else."""
