"""Polling with backoff until a condition holds, the wait times out, or the run is cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from smplan.drivers.base import Progress
from smplan.engine.runtime import SYSTEM, Runtime
from smplan.errors import Interrupted, InUse, LostAnswer, Throttled, TimedOut, Unreachable

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
BACKOFF_RATIO = 0.15
"""Each pause is this share of the time waited so far: short at first, and never late by more than that share."""


class CancelToken:
    """A request to stop a run: it starts no more steps, finishes the requests in flight, and ends every wait."""

    def __init__(self, runtime: Runtime = SYSTEM) -> None:
        self.runtime = runtime
        self._event = threading.Event()

    def cancel(self) -> None:
        """Request the stop."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether a stop was requested."""
        return self._event.is_set()

    def wait(self, seconds: float) -> None:
        """Wait for ``seconds``. Raises Interrupted as soon as a stop is requested."""
        if self.runtime.wait(self._event, seconds):
            raise Interrupted("stopped on request while waiting", hint="run the same command again to resume")


class Waiter:
    """One wait of a step, of ``timeout`` seconds at most; ``on_progress`` gets each poll and the seconds so far."""

    def __init__(self, stop: CancelToken, timeout: float, on_progress: Callable[[Progress, float], None]) -> None:
        self._stop = stop
        self._timeout = timeout
        self._on_progress = on_progress
        self._since = stop.runtime.now()
        self._waiting_for = "nothing yet"

    def wait(self, polls: Callable[[], Iterator[Progress]]) -> None:
        """Exhaust ``polls()``, from the beginning after a transient error. Raises TimedOut or Interrupted.

        Polls that send requests (``Driver.drain``) decide by what they read, so a lost response needs no other care.
        """
        while True:
            try:
                for progress in polls():
                    self._pause(progress)
                return
            except (Throttled, Unreachable, LostAnswer) as error:
                self._pause(Progress(self._waiting_for, error.message))

    def retry_while_in_use(self, act: Callable[[], None], waiting_for: str) -> None:
        """Call ``act`` until it no longer raises InUse. Raises TimedOut or Interrupted."""
        while True:
            try:
                act()
                return
            except InUse as error:
                self._pause(Progress(waiting_for, error.message))

    def _pause(self, progress: Progress) -> None:
        self._waiting_for, waited = progress.waiting_for, self._stop.runtime.now() - self._since
        self._on_progress(progress, waited)
        if waited >= self._timeout + progress.beyond:
            last_seen = f"; last seen: {progress.status}" if progress.status else ""
            raise TimedOut(f"waited {waited:.0f} s for {progress.waiting_for}{last_seen}")
        self._stop.wait(min(max(FIRST_PAUSE, waited * BACKOFF_RATIO), LONGEST_PAUSE))
