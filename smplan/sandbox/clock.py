"""The sandbox's time: it starts with the wall's, runs ``speed`` times as fast, and can be pushed forward."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """Virtual time. ``speed`` virtual seconds pass in each second of ``monotonic``; safe to share among threads."""

    def __init__(self, speed: float = 1.0, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        if speed < 0:
            raise ValueError("speed must not be negative: time does not run backwards")
        self.speed = speed
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._epoch = time.time()
        self._started = monotonic()
        self._pushed = 0.0

    def now(self) -> float:
        """Seconds since 1970 in virtual time."""
        with self._lock:
            return self._epoch + (self._monotonic() - self._started) * self.speed + self._pushed

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` of virtual time (not negative) pass at once."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        with self._lock:
            self._pushed += seconds

    def utcnow(self) -> datetime:
        """Virtual time as AWS writes it: an aware UTC datetime."""
        return datetime.fromtimestamp(self.now(), UTC)

    def wall(self, seconds: float) -> float:
        """How long ``seconds`` of virtual time last on the wall's clock; infinite if the clock is stopped."""
        return seconds / self.speed if self.speed else float("inf")
