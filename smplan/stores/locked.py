"""A held lock: the right to write one state and its journal, and what must hold whenever somebody does."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from smplan.core.state.journal import JournalEntry, ReplayedState, StepIntent
from smplan.core.state.model import State, integrity_errors
from smplan.core.state.replay import Replay
from smplan.errors import Bug, StoreError
from smplan.stores.interface import LockedState, Snapshot


class LockedStateBase(LockedState):
    """Accepts only entries and states that can be read back, and finds out what became of a write that failed."""

    def __init__(self, found: Snapshot, on_warning: Callable[[str], None]) -> None:
        self.snapshot = found
        self._on_warning = on_warning
        self._tried: tuple[JournalEntry, ...] = ()
        self._confirmed: tuple[JournalEntry, ...] = ()
        self._start(found.stored, found.entries)

    def append(self, entries: Sequence[JournalEntry]) -> None:
        if not entries:
            return
        self.check()
        replay = self._ready()
        if replay is None:
            raise Bug("a journal needs a state to build upon: save one first")
        if self._confirmed == tuple(entries):
            self._confirmed = ()
            return  # the write that seemed to fail did not
        with self._all_or_none(entries):
            for entry in entries:
                _add(replay, entry)
            self._append(replay.base, entries)
        self._known += len(entries)

    def save(self, state: State) -> State:
        self.check()
        replay = self._ready()
        saved = replace(state, serial=state.serial + 1)
        _check_base(state, saved, replay)
        pending_creates = replay.pending_creates if replay else ()
        with self._all_or_none():
            if replay and replay.base.serial < saved.serial:
                self._remember(replay.base.serial)
            self._save(saved, pending_creates)
        self._start(saved, pending_creates)
        return saved

    def _remember(self, serial: int) -> None:
        """Keep the state that is about to be replaced. That this fails is no reason to lose the new one."""
        try:
            self.put_version(serial, self._stored_bytes())
        except StoreError as error:
            self._on_warning(f"the state with serial {serial} could not be kept in the history: {error}")

    def folded(self) -> ReplayedState:
        replay = self._ready()
        if replay is None:
            raise Bug("there is no state yet: save one first")
        return replay.result()

    @abstractmethod
    def _stored_bytes(self) -> bytes:
        """The stored bytes of the state that this holder would replace. Raises Locked if it is somebody else's."""

    @abstractmethod
    def _append(self, base: State, entries: Sequence[JournalEntry]) -> None: ...

    @abstractmethod
    def _save(self, state: State, pending_creates: tuple[StepIntent, ...]) -> None: ...

    @abstractmethod
    def _reload(self) -> Snapshot:
        """What is really there, after a write whose outcome is unknown; the next write builds on it."""

    def _start(self, stored: State | None, entries: Sequence[JournalEntry]) -> None:
        self._unsure = False
        self._known = len(entries)
        self._folding = replay = Replay(stored) if stored else None
        if replay:
            for entry in entries:
                replay.add(entry)

    def _ready(self) -> Replay | None:
        """What is there, read again if the last write may have failed."""
        if self._unsure:
            found = self._reload()
            if self._tried and found.entries[self._known :] == self._tried:
                self._confirmed = self._tried
            self._start(found.stored, found.entries)
        return self._folding

    @contextmanager
    def _all_or_none(self, tried: Sequence[JournalEntry] = ()) -> Iterator[None]:
        """After a fault the memory of what is there may be wrong; the next write reads it first.

        An append that was ``tried`` has landed if its entries follow all that were known before it. To look for them
        at the end only could find an equal batch that is older.
        """
        self._unsure, self._tried, self._confirmed = True, tuple(tried), ()
        yield
        self._unsure, self._tried = False, ()


def _check_base(state: State, saved: State, replay: Replay | None) -> None:
    """Refuse an unsound state, and one not made from what is stored; but let a save that was cut off be repeated."""
    found = integrity_errors(state)
    if found:
        raise Bug(f"the state is unsound and was not saved: {'; '.join(found[:5])}")
    base = replay.base if replay else state
    if (state.lineage, state.serial) != (base.lineage, base.serial) and saved != base:
        raise Bug(
            f"the state to save was made from {state.lineage} serial {state.serial}, "
            f"and {base.lineage} serial {base.serial} is stored"
        )


def _add(replay: Replay, entry: JournalEntry) -> None:
    try:
        replay.add(entry)
    except StoreError as error:
        raise Bug(f"refused to write what could not be read back: {error}") from error
