"""Measurement of this machine's clock skew, by the first AWS response with a date."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from smplan.core import clock_skew


class SkewMonitor:
    """Measures ``skew_seconds``, by which this machine's clock is ahead; None before the first response."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._thread = threading.local()
        self.skew_seconds: float | None = None

    def sent(self) -> None:
        """Record that this thread sends a request."""
        self._thread.sent = self._clock()

    def received(self, headers: Mapping[str, str]) -> None:
        """Record that this thread got a response with these headers."""
        if self.skew_seconds is None:
            self.skew_seconds = clock_skew.skew_seconds(headers.get("date", ""), self._thread.sent, self._clock())
