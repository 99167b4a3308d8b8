"""A look at the clock, once: AWS's first answer that tells the time, against this machine's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from smplan.core import clock_skew


class SkewMonitor:
    """Hears when requests are sent and answered. ``ahead`` is how many seconds this machine is ahead; None at first."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._here = threading.local()
        self.ahead: float | None = None

    def sent(self) -> None:
        """This thread sends a request now."""
        self._here.sent = self._clock()

    def heard(self, headers: Mapping[str, str]) -> None:
        """This thread has got an answer with these headers."""
        if self.ahead is None:
            self.ahead = clock_skew.skew_seconds(headers.get("date", ""), self._here.sent, self._clock())
