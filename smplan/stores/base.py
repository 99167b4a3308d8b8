"""What a store is: one state, its journal and its lock, the same to everyone who reads or writes them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Event
from types import TracebackType

from smplan.core.journal import Folded, Folding, Intent, JournalEntry, fold
from smplan.core.state import State, problems
from smplan.errors import Bug, Locked, StoreError

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock: ``who`` (user@host pid 123), for which operation and run, ``since`` when (ISO, UTC)."""

    who: str
    operation: str
    run: str
    since: str

    def __str__(self) -> str:
        return f"{self.who} ({self.operation}, run {self.run}) since {self.since}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is stored, at one moment: nothing at all, or a state with its journal and what both fold into.

    ``entries`` starts with the orphans that earlier journals left. ``version`` changes whenever the stored state does.
    """

    stored: State | None = None
    entries: tuple[JournalEntry, ...] = ()
    folded: Folded | None = None
    version: str = ""


def snapshot(stored: State, entries: tuple[JournalEntry, ...], version: str, place: str) -> Snapshot:
    """The snapshot of ``stored`` and ``entries``. Raises StoreError, naming ``place``, if they do not fit together."""
    try:
        return Snapshot(stored, entries, fold(stored, entries), version)
    except StoreError as error:
        raise StoreError(
            f"the journal of {place} does not fit its state: {error}",
            hint="put back state and journal from the same backup",
        ) from error


class Clock:
    """Seconds that never jump, and how to let some pass. Where the system can tell, sleep of the machine counts."""

    _id = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now(self) -> float:
        """Seconds since some fixed moment."""
        return time.clock_gettime(self._id)

    def pause(self, seconds: float) -> None:
        """Return after ``seconds``."""
        Event().wait(seconds)


def silent(word: str) -> None:
    """Tell nobody."""


class Store(ABC):
    """Where one state lives. ``location`` names it for people; ``say`` hears what was mended or left out."""

    location: str

    def __init__(self, *, say: Callable[[str], None] = silent, clock: Clock | None = None) -> None:
        self.say = say
        self.clock = clock or Clock()

    @abstractmethod
    def read(self) -> Snapshot:
        """What is stored now. Raises StoreError for what cannot be read or trusted."""

    @abstractmethod
    def holder(self) -> Holder | None:
        """Who holds the lock now, if anybody."""

    def lock(self, holder: Holder, *, wait_seconds: float = 0) -> Held:
        """The lock, and with it the right to write; tried for ``wait_seconds``. Raises Locked naming who has it."""
        deadline = self.clock.now() + wait_seconds
        pause = FIRST_PAUSE
        while True:
            try:
                return self._acquire(holder)
            except Locked:
                left = deadline - self.clock.now()
                if left <= 0:
                    raise
            self.clock.pause(min(pause, left))
            pause = min(pause * 2, LONGEST_PAUSE)

    @abstractmethod
    def _acquire(self, holder: Holder) -> Held:
        """One try at the lock, and a read under it. Raises Locked at once."""


class Held(ABC):
    """A held lock. One thread appends and saves; any may ``check``. Leaving the ``with`` block releases it.

    ``snapshot`` is what was stored when the lock was taken: read under the lock, so it needs no second reading.
    """

    def __init__(self, found: Snapshot) -> None:
        self.snapshot = found
        self._start(found.stored, found.entries)

    def append(self, entries: Sequence[JournalEntry]) -> None:
        """Make ``entries`` durable, all or none: they are when this returns. After a fault, try the same again.

        Raises Locked if the lock is lost, StoreError if they could not be written, Bug if they cannot follow what is
        there or if no state was saved yet.
        """
        if not entries:
            return
        self.check()
        if self._unsure and self._reread().entries[-len(entries) :] == tuple(entries):
            return  # the write that seemed to fail did not
        folding = self._ready()
        if folding is None:
            raise Bug("a journal needs a state to build upon: save one first")
        with self._all_or_none():
            for entry in entries:
                _add(folding, entry)
            self._append(folding.base, entries)

    def save(self, state: State) -> State:
        """Make ``state`` durable in place of state and journal. It comes back with its new serial.

        Orphans of the journal are kept beside it. Raises Locked if the lock is lost, StoreError if it could not be
        written, Bug if ``state`` breaks an invariant or was made from another one than what is stored.
        """
        self.check()
        folding = self._ready()
        saved = replace(state, serial=state.serial + 1)
        _judge(state, saved, folding)
        orphans = tuple(folding.orphans.values()) if folding else ()
        with self._all_or_none():
            self._save(saved, orphans)
        self._start(saved, orphans)
        return saved

    def folded(self) -> Folded:
        """What state and journal fold into now. Raises Bug if no state was saved yet."""
        folding = self._ready()
        if folding is None:
            raise Bug("there is no state yet: save one first")
        return folding.result()

    @abstractmethod
    def check(self) -> None:
        """Raises Locked if the lock was lost: call it just before anything that only its holder may do."""

    @abstractmethod
    def release(self) -> None:
        """Give the lock back. Never raises; done twice, it does nothing."""

    @abstractmethod
    def _append(self, base: State, entries: Sequence[JournalEntry]) -> None: ...

    @abstractmethod
    def _save(self, state: State, orphans: tuple[Intent, ...]) -> None: ...

    @abstractmethod
    def _reload(self) -> Snapshot:
        """What is really there, after a write whose outcome is unknown; the next write builds on it."""

    def __enter__(self) -> Held:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

    def _start(self, stored: State | None, entries: Sequence[JournalEntry]) -> None:
        self._unsure = False
        self._folding = folding = Folding(stored) if stored else None
        if folding:
            for entry in entries:
                folding.add(entry)

    def _ready(self) -> Folding | None:
        if self._unsure:
            self._reread()
        return self._folding

    def _reread(self) -> Snapshot:
        found = self._reload()
        self._start(found.stored, found.entries)
        return found

    @contextmanager
    def _all_or_none(self) -> Iterator[None]:
        """After a fault the memory of what is there may be wrong; the next write reads it first."""
        self._unsure = True
        yield
        self._unsure = False


def _judge(state: State, saved: State, folding: Folding | None) -> None:
    """Refuse an unsound state, and one not made from what is stored; but let a save that was cut off be repeated."""
    found = problems(state)
    if found:
        raise Bug(f"the state is unsound and was not saved: {'; '.join(found[:5])}")
    base = folding.base if folding else state
    if (state.lineage, state.serial) != (base.lineage, base.serial) and saved != base:
        raise Bug(
            f"the state to save was made from {state.lineage} serial {state.serial}, "
            f"and {base.lineage} serial {base.serial} is stored"
        )


def _add(folding: Folding, entry: JournalEntry) -> None:
    try:
        folding.add(entry)
    except StoreError as error:
        raise Bug(f"refused to write what could not be read back: {error}") from error
