"""A deterministic scheduler: real threads, of which one runs at a time, chosen by seed at every boundary."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

SLOW = 0.1
"""How often a sleeping thread wakes before those that could run, which are then slow."""
LONGEST_STEP = 0.1
"""The most seconds between two boundaries of one thread."""


class Killed(BaseException):
    """The process of this thread was killed: no code may have an effect any more."""


class InvariantViolation(BaseException):
    """A violated invariant and what was observed. No Exception, so that no code under test swallows it."""

    def __init__(self, invariant: str, seen: str) -> None:
        super().__init__(f"{invariant}: {seen}")
        self.invariant = invariant
        self.seen = seen


class Mortal(Protocol):
    """The process that a thread belongs to."""

    dead: bool


def _always() -> bool:
    return True


@dataclass(eq=False)
class Turn:
    """One simulated thread: ``baton`` wakes its real one, ``ready`` and ``until`` say when it may be woken."""

    process: Mortal
    baton: threading.Lock
    ready: Callable[[], bool] = _always
    until: float | None = None
    joining: bool = False
    over: bool = False


class Runner(threading.Thread):
    """A real thread that runs one simulated thread after another."""

    def __init__(self, runners: Runners) -> None:
        super().__init__(name="runner", daemon=True)
        self.baton = threading.Lock()
        self.baton.acquire()
        self.work: Callable[[], None] | None = None
        self._runners = runners
        self.start()

    def run(self) -> None:
        while True:
            self.baton.acquire()
            if self.work is None:
                return
            self.work()


@dataclass
class Runners:
    """The real threads, reused between histories because starting one is slow."""

    idle: list[Runner] = field(default_factory=list)

    def take(self) -> Runner:
        """An idle one."""
        return self.idle.pop() if self.idle else Runner(self)

    def close(self) -> None:
        """End them all."""
        for runner in self.idle:
            runner.work = None
            runner.baton.release()
            runner.join()
        self.idle.clear()


class Schedule:
    """Which thread runs, and the time in seconds. The creating thread is the first."""

    def __init__(self, random: Random, runners: Runners, no_process: Mortal) -> None:
        self.now = 0.0
        self.switches = 0
        self.fault: BaseException | None = None
        """The first unexpected exception of a thread."""
        self._random = random
        self._runners = runners
        lock = threading.Lock()
        lock.acquire()
        self.current = Turn(no_process, lock)
        self._turns = [self.current]

    def start(self, process: Mortal, work: Callable[[], object], ready: Callable[[], bool] = _always) -> Turn:
        """A new thread of ``process``: it runs when it is ``ready`` and chosen."""
        runner = self._runners.take()
        turn = Turn(process, runner.baton, ready)

        def carry() -> None:
            turn.ready = _always
            try:
                if not process.dead:
                    work()
            except Killed:
                pass
            except BaseException as error:
                self.fault = self.fault or error
            finally:
                turn.over = True
                self._turns.remove(turn)
                self._runners.idle.append(runner)
                self._hand_over(self._drawn())

        runner.work = carry
        self._turns.append(turn)
        return turn

    def touch(self) -> None:
        """A boundary: any thread may run next. Raises Killed if the process died meanwhile."""
        self.now += self._random.random() * LONGEST_STEP
        self._pass()

    def wait(self, ready: Callable[[], bool], until: float | None = None) -> None:
        """Resume when ``ready`` returns true, or at time ``until``. Raises Killed."""
        me = self.current
        me.ready, me.until = ready, until
        self._pass()
        me.ready, me.until = _always, None

    def join(self, turns: list[Turn]) -> None:
        """Resume when all of ``turns`` are over, dead or not."""
        me = self.current
        me.joining = True
        me.ready = lambda: all(turn.over for turn in turns)
        self._pass()
        me.joining, me.ready = False, _always

    def _pass(self) -> None:
        me = self.current
        following = self._drawn()
        if following is not me:
            self.switches += 1
            self._hand_over(following)
            me.baton.acquire()
        if me.process.dead and not me.joining:
            raise Killed

    def _hand_over(self, following: Turn) -> None:
        self.current = following
        following.baton.release()

    def _drawn(self) -> Turn:
        able = [turn for turn in self._turns if self._able(turn)]
        sleeping = [turn for turn in self._turns if turn.until is not None and turn not in able]
        if sleeping and (not able or self._random.random() < SLOW):
            first = min(sleeping, key=lambda turn: turn.until or 0)
            self.now = max(self.now, first.until or 0)
            return first
        if not able:
            raise InvariantViolation("every run ends", "deadlock: every thread waits")
        return able[0] if len(able) == 1 else self._random.choice(able)

    def _able(self, turn: Turn) -> bool:
        if turn.process.dead and not turn.joining:
            return True
        return turn.ready() or (turn.until is not None and self.now >= turn.until)
