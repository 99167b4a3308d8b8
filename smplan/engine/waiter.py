"""Waiting for the world: look, tell, look again a little later; until it is so, or patience runs out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from smplan.drivers.base import Progress
from smplan.engine.runtime import REAL, Runtime
from smplan.errors import Interrupted, InUse, LostAnswer, Throttled, TimedOut, Unreachable

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
SHARE = 0.15
"""A pause is this share of the time waited so far: quick at first, then seldom, never late by more than it."""

Tell = Callable[[Progress, float], None]
"""Hears of each look, with the seconds waited so far."""


class CancelToken:
    """How a run is told to stop: start nothing new, let calls finish, and end every wait."""

    def __init__(self, runtime: Runtime = REAL) -> None:
        self.runtime = runtime
        self._asked = threading.Event()

    def drain(self) -> None:
        """Ask for the stop."""
        self._asked.set()

    @property
    def asked(self) -> bool:
        """Whether a stop was asked for."""
        return self._asked.is_set()

    def pause(self, seconds: float) -> None:
        """Let time pass. Raises Interrupted as soon as a stop is asked for."""
        if self.runtime.wait(self._asked, seconds):
            raise Interrupted("stopped on request while waiting", hint="run the same command again to go on")


class Waiter:
    """Follows one wait of a step, at the pace of its ``stop``."""

    def __init__(self, stop: CancelToken, patience: float, tell: Tell) -> None:
        self._stop = stop
        self._patience = patience
        self._tell = tell
        self._since = stop.runtime.now()
        self._last = Progress("nothing yet")

    def follow(self, looks: Callable[[], Iterator[Progress]]) -> None:
        """Go through ``looks`` to the end, begun anew when a call fails in passing. Raises TimedOut, Interrupted.

        Looks that ask for something (``Driver.drain``) ask for what they saw missing, so a lost answer is looked for.
        """
        while True:
            try:
                for progress in looks():
                    self._last = progress
                    self._rest()
                return
            except (Throttled, Unreachable, LostAnswer) as error:
                self._last = Progress(self._last.waiting_for, error.message)
                self._rest()

    def until_free(self, act: Callable[[], None], waiting_for: str) -> None:
        """Do ``act``, again and again while something still holds the thing. Raises TimedOut, Interrupted."""
        while True:
            try:
                act()
                return
            except InUse as error:
                self._last = Progress(waiting_for, error.message)
                self._rest()

    def _rest(self) -> None:
        waited = self._stop.runtime.now() - self._since
        self._tell(self._last, waited)
        if waited >= self._patience:
            said = f"; last seen: {self._last.said}" if self._last.said else ""
            raise TimedOut(f"waited {waited:.0f} s for {self._last.waiting_for}{said}")
        self._stop.pause(min(max(FIRST_PAUSE, waited * SHARE), LONGEST_PAUSE))
