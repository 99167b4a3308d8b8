"""How long a condition has held without a break."""

from __future__ import annotations

from collections.abc import Callable

POLLS = 2
"""Polls in a row that must find a condition, at the least."""


class Streak:
    """Polls in a row that found a condition, until they span the seconds that it must hold."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._polls = 0
        self._since = self._needed = 0.0

    def __bool__(self) -> bool:
        return self._polls > 0

    def extend(self, needed: Callable[[], float]) -> bool:
        """One more poll that found it; whether that is enough. ``needed`` gives the seconds, asked at the start."""
        if not self._polls:
            self._since, self._needed = self._clock(), needed()
        self._polls += 1
        return self._polls >= POLLS and self.seconds >= self._needed

    def end(self) -> None:
        """A poll that did not find it."""
        self._polls = 0

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return self._clock() - self._since if self._polls else 0.0

    @property
    def status(self) -> str:
        """Such as ``for 12 of 65 s``; empty if there is none."""
        return f"for {min(self.seconds, self._needed):.0f} of {self._needed:.0f} s" if self._polls else ""
