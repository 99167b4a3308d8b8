"""The store interface: read, lock and write one state, its journal and its history."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Event
from types import TracebackType

from smplan.core.state.journal import JournalEntry, ReplayedState, StepIntent
from smplan.core.state.model import State
from smplan.core.state.replay import replay
from smplan.errors import Locked, StoreError
from smplan.stores.move_marker import MoveMarker

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
"""Seconds between tries at a lock that is taken, doubling from the first to the longest."""


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who holds the lock: ``who`` (user@host pid 123), for which operation and run, ``since`` when (ISO, UTC)."""

    who: str
    operation: str
    run: str
    since: str

    def __str__(self) -> str:
        return f"{self.who} ({self.operation}, run {self.run}) since {self.since}"


@dataclass(frozen=True, slots=True)
class LockInfo:
    """A lock as stored. In S3 it is valid ``until`` then (ISO, by the server's clock), and may have ``expired``.

    ``epoch`` counts its takeovers, ``etag`` is the ETag of its object.
    """

    holder: LockHolder
    until: str = ""
    epoch: int = 0
    expired: bool = False
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is stored, at one moment: nothing at all, or a state with its journal and what both replay into.

    ``entries`` starts with the pending creates that earlier journals left. ``version`` changes whenever the stored
    state does; ``saved`` is when it did (ISO, UTC). ``marker`` is what a move left here.
    """

    stored: State | None = None
    entries: tuple[JournalEntry, ...] = ()
    folded: ReplayedState | None = None
    version: str = ""
    pending_creates: tuple[StepIntent, ...] = ()
    saved: str = ""
    marker: MoveMarker | None = None

    @property
    def written(self) -> tuple[JournalEntry, ...]:
        """The entries of the journal itself, without the pending creates before it."""
        return self.entries[len(self.pending_creates) :]


def snapshot(stored: State, base: Snapshot, written: Sequence[JournalEntry], place: str) -> Snapshot:
    """``base`` with ``stored`` and its journal. Raises StoreError, naming ``place``, if they do not fit together."""
    entries = (*base.pending_creates, *written)
    try:
        return replace(base, stored=stored, entries=entries, folded=replay(stored, entries))
    except StoreError as error:
        raise StoreError(
            f"the journal of {place} does not fit its state: {error}",
            hint="restore state and journal from the same backup",
        ) from error


class Clock:
    """A monotonic clock, and pauses. Time that the machine sleeps counts where the system reports it."""

    _id = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now(self) -> float:
        """Seconds since a fixed moment."""
        return time.clock_gettime(self._id)

    def date(self) -> datetime:
        """The time of day by this machine's clock, UTC."""
        return datetime.now(UTC)

    def pause(self, seconds: float) -> None:
        """Return after ``seconds``."""
        Event().wait(seconds)


def ignore(message: str) -> None:
    """Drop ``message``."""


class LockedState(ABC):
    """A held lock: the right to write one state and its journal. Leaving the ``with`` block releases it.

    One thread appends and saves; any may ``check``. ``snapshot`` is what was stored when the lock was taken: it was
    read under the lock, so it need not be read again.
    """

    snapshot: Snapshot

    @abstractmethod
    def append(self, entries: Sequence[JournalEntry]) -> None:
        """Make ``entries`` durable, all or none: they are when this returns. After an error, append the same again.

        Raises Locked if the lock is lost, StoreError if they could not be written, Bug if they cannot follow the
        stored journal or if no state was saved yet.
        """

    @abstractmethod
    def save(self, state: State) -> State:
        """Make ``state`` durable in place of state and journal. It is returned with its new serial.

        Pending creates of the journal are kept beside it, the state it replaces in the history. Raises Locked if the
        lock is lost, StoreError if it could not be written, Bug if ``state`` breaks an invariant or was made from
        another one than what is stored.
        """

    @abstractmethod
    def folded(self) -> ReplayedState:
        """What state and journal replay into now. Raises Bug if no state was saved yet."""

    @abstractmethod
    def check(self) -> None:
        """Raises Locked if the lock was lost: call it just before anything that only its holder may do."""

    @abstractmethod
    def release(self) -> None:
        """Release the lock. Never raises; done twice, it does nothing."""

    @abstractmethod
    def put(self, document: bytes) -> None:
        """Put ``document`` in place of the state, whatever that is: only a move does so, and saves nothing after."""

    @abstractmethod
    def put_version(self, serial: int, document: bytes) -> None:
        """Keep ``document`` as what the state was with ``serial``."""

    @abstractmethod
    def put_journal(self, base: State, entries: Sequence[JournalEntry]) -> None:
        """Make ``entries`` upon ``base`` the whole journal."""

    @abstractmethod
    def back_up(self) -> list[str]:
        """Copy state and journal to where no store reads them; the names of the copies."""

    def __enter__(self) -> LockedState:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


class Store(ABC):
    """Where one state is kept. ``location`` names it in messages; ``on_warning`` gets what was fixed or left out."""

    location: str

    def __init__(self, *, on_warning: Callable[[str], None] = ignore, clock: Clock | None = None) -> None:
        self.on_warning = on_warning
        self.clock = clock or Clock()

    def read(self) -> Snapshot:
        """What is stored now. Raises StoreError if it cannot be read or trusted, Moved if a move left a marker."""
        found = self.read_unchecked()
        if found.marker:
            raise found.marker.refusal(self.location)
        return found

    @abstractmethod
    def read_unchecked(self) -> Snapshot:
        """What is stored now, with the marker of a move if there is one. Raises StoreError."""

    @abstractmethod
    def document(self, serial: int | None = None) -> bytes | None:
        """The stored bytes of the state now, or as it was with ``serial``; None if there are none."""

    @abstractmethod
    def history(self) -> list[int]:
        """The serials of the states that were replaced and are still kept, newest first."""

    @abstractmethod
    def residue(self) -> list[str]:
        """Names of journals and earlier states, which may exist without a state."""

    @abstractmethod
    def lock_info(self) -> LockInfo | None:
        """The lock as it is now; None if it is free."""

    @abstractmethod
    def break_lock(self, info: LockInfo, holder: LockHolder) -> None:
        """Release the lock of another process, for ``holder``, if it is still as in ``info``. Raises GuardRefused.

        From then on nothing that the former holder writes is accepted.
        """

    @abstractmethod
    def test_lock(self, holder: LockHolder) -> None:
        """Take and release the lock, writing nothing else. Raises Locked, or StoreError if locking does not work."""

    def holder(self) -> LockHolder | None:
        """Who holds the lock now; None if it is free or expired."""
        info = self.lock_info()
        return info.holder if info and not info.expired else None

    def lock(self, holder: LockHolder, *, wait_seconds: float = 0, moving: bool = False) -> LockedState:
        """Take the lock, trying for ``wait_seconds``. Raises Locked naming its holder.

        Raises Moved where a move left a marker, unless the lock is taken for ``moving``.
        """
        held = self._acquire_within(holder, wait_seconds)
        marker = held.snapshot.marker
        if marker and not moving:
            held.release()
            raise marker.refusal(self.location)
        return held

    def _acquire_within(self, holder: LockHolder, wait_seconds: float) -> LockedState:
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
    def _acquire(self, holder: LockHolder) -> LockedState:
        """Try once to take the lock, and read under it. Raises Locked at once."""
