"""Calls made again while that is safe and may help: after throttling until a deadline, after silence a few times.

The rule is one for reads and writes, because errors already say which it is: a write that may have been done is a
LostAnswer, and never sent again here; a write is Unreachable only if its connection was never made.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from threading import Event as Bell
from typing import TypeVar

from smplan.core.events import Retried
from smplan.errors import Throttled, Unreachable

T = TypeVar("T")

THROTTLED_SECONDS = 120.0
"""How long a throttled call is tried."""
SILENT_ATTEMPTS = 4
"""How often a call that nobody answers is made, the first time included."""
LONGEST_PAUSE = 5.0
THROTTLED_PAUSE = 0.5
SILENT_PAUSE = 0.2
"""Seconds before the second attempt; each further pause is twice as long, up to the longest."""

Pause = Callable[[float], None]
"""Lets so many seconds pass; may raise Interrupted instead of going on."""


def nobody(event: Retried) -> None:
    """Nobody hears of it."""


def rest(seconds: float) -> None:
    """Let so many seconds pass."""
    Bell().wait(seconds)


class RetryPolicy:
    """How calls are made again. ``tell`` hears of each time before it happens, ``pause`` passes the time until then.

    Both may be pointed elsewhere at any time: to the report of a run, to a pause that ends when a stop is asked for.
    """

    def __init__(
        self,
        *,
        tell: Callable[[Retried], None] = nobody,
        pause: Pause = rest,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.tell = tell
        self.pause = pause
        self._clock = clock
        self._draw = draw

    def follow(self, call: str, once: Callable[[], T], *, attempts: int = SILENT_ATTEMPTS) -> T:
        """What ``once`` returns, made again after Throttled and, ``attempts`` times in all, Unreachable.

        Raises its last error when it is not worth another attempt. ``call`` names it for people.
        """
        since = self._clock()
        silent = 0
        attempt = 1
        while True:
            try:
                return once()
            except (Throttled, Unreachable) as error:
                silent += isinstance(error, Unreachable)
                attempt += 1
                seconds = self._before(attempt, throttled=isinstance(error, Throttled))
                late = self._clock() - since + seconds > THROTTLED_SECONDS
                if silent >= attempts or (late and isinstance(error, Throttled)):
                    raise
                self.tell(Retried(call, error.message, attempt, seconds))
            self.pause(seconds)

    def _before(self, attempt: int, *, throttled: bool) -> float:
        """Seconds before an attempt: twice as long each time, with jitter, so that many do not come back as one."""
        ceiling = min((THROTTLED_PAUSE if throttled else SILENT_PAUSE) * 2.0 ** min(attempt - 2, 10), LONGEST_PAUSE)
        return ceiling * (1 + self._draw()) / 2
