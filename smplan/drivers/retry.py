"""Retry policy of requests, with exponential backoff.

Throttled requests, and those that name what AWS may not show yet, are retried until a deadline, unanswered ones a few
times.

Reads and writes share one rule, because the error already tells them apart: a write that may have been processed raises
LostAnswer, which is never retried here; a write raises Unreachable only if its connection failed.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from smplan.core.events import Retried
from smplan.errors import DriverError, InUse, NotFound, Throttled, Unreachable

T = TypeVar("T")

THROTTLED_SECONDS = 120.0
"""How long a call is retried that is throttled, refused for the moment, or names what AWS does not show yet."""
UNREACHABLE_ATTEMPTS = 4
"""Attempts of a call that gets no response, the first one included."""
LONGEST_PAUSE = 5.0
THROTTLED_PAUSE = 0.5
UNREACHABLE_PAUSE = 0.2
"""Seconds before the second attempt; each further pause is twice as long, up to the longest."""

FinalTest = Callable[[DriverError], bool]
"""Whether a NotFound or InUse is final, or passes."""
Pause = Callable[[float], None]
"""Sleeps for so many seconds; may raise Interrupted instead of returning."""


def ignore(event: Retried) -> None:
    """Report nothing."""


def sleep(seconds: float) -> None:
    """Sleep for so many seconds."""
    threading.Event().wait(seconds)


class RetryPolicy:
    """Retries calls: ``on_retry`` is called before each retry, ``pause`` sleeps until then.

    Both may be replaced at any time: by the report of a run, by a sleep that a stop request interrupts.
    """

    def __init__(
        self,
        *,
        on_retry: Callable[[Retried], None] = ignore,
        pause: Pause = sleep,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.on_retry = on_retry
        self.pause = pause
        self._clock = clock
        self._draw = draw

    def call(
        self,
        action: str,
        once: Callable[[], T],
        *,
        attempts: int | Callable[[DriverError], int] = UNREACHABLE_ATTEMPTS,
        final: FinalTest = lambda _: True,
    ) -> T:
        """What ``once`` returns; it is retried after Throttled and, up to ``attempts`` of that error, Unreachable.

        After NotFound and InUse it is retried unless they are ``final``. Raises the last error when no attempt is left.
        ``action`` names the call in events.
        """
        since = self._clock()
        unreachable = 0
        attempt = 1
        while True:
            try:
                return once()
            except (Throttled, Unreachable, NotFound, InUse) as error:
                if isinstance(error, (NotFound, InUse)) and final(error):
                    raise
                counted = isinstance(error, Unreachable)
                unreachable += counted
                attempt += 1
                seconds = self._before(attempt, quick=counted)
                late = self._clock() - since + seconds > THROTTLED_SECONDS
                if unreachable >= _most(attempts, error) if counted else late:
                    raise
                self.on_retry(Retried(action, error.message, attempt, seconds))
            self.pause(seconds)

    def _before(self, attempt: int, *, quick: bool) -> float:
        """Seconds before an attempt: doubled each time, with jitter, so that clients do not retry in step."""
        ceiling = min((UNREACHABLE_PAUSE if quick else THROTTLED_PAUSE) * 2.0 ** min(attempt - 2, 10), LONGEST_PAUSE)
        return ceiling * (1 + self._draw()) / 2


def _most(attempts: int | Callable[[DriverError], int], error: DriverError) -> int:
    return attempts(error) if callable(attempts) else attempts
