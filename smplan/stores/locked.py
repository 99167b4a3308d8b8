"""The part of a locked state that all stores share: checks before each write, and recovery after a failed one."""

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
    """Writes only entries and states that can be read back, and finds out whether a failed write was done."""

    def __init__(self, found: Snapshot, on_warning: Callable[[str], None]) -> None:
        self.snapshot = found
        self._on_warning = on_warning
        self._attempted: tuple[JournalEntry, ...] = ()
        self._confirmed: tuple[JournalEntry, ...] = ()
        self._start(found.stored, found.entries)

    def append(self, entries: Sequence[JournalEntry]) -> None:
        if not entries:
            return
        self.check()
        replay = self._current()
        if replay is None:
            raise Bug("a journal needs a state to build on: save one first")
        if self._confirmed == tuple(entries):
            self._confirmed = ()
            return  # the write that seemed to fail was done
        with self._reread_if_it_fails(entries):
            for entry in entries:
                _add(replay, entry)
            self._append(replay.base, entries)
        self._known += len(entries)

    def save(self, state: State) -> State:
        self.check()
        replay = self._current()
        saved = replace(state, serial=state.serial + 1)
        _check_base(state, saved, replay)
        pending_creates = replay.pending_creates if replay else ()
        with self._reread_if_it_fails():
            if replay and replay.base.serial < saved.serial:
                self._keep_version(replay.base.serial)
            self._save(saved, pending_creates)
        self._start(saved, pending_creates)
        return saved

    def _keep_version(self, serial: int) -> None:
        """Keep the state that is about to be replaced in the history. If that fails, the new one is saved anyway."""
        try:
            self.put_version(serial, self._stored_bytes())
        except StoreError as error:
            self._on_warning(f"the state with serial {serial} could not be kept in the history: {error}")

    def folded(self) -> ReplayedState:
        replay = self._current()
        if replay is None:
            raise Bug("there is no state yet: save one first")
        return replay.result()

    @abstractmethod
    def _stored_bytes(self) -> bytes:
        """The bytes of the state that a save replaces. Raises Locked if another holder wrote them."""

    @abstractmethod
    def _append(self, base: State, entries: Sequence[JournalEntry]) -> None: ...

    @abstractmethod
    def _save(self, state: State, pending_creates: tuple[StepIntent, ...]) -> None: ...

    @abstractmethod
    def _reload(self) -> Snapshot:
        """What is stored after a write whose outcome is unknown; the next write builds on it."""

    def _start(self, stored: State | None, entries: Sequence[JournalEntry]) -> None:
        self._uncertain = False
        self._known = len(entries)
        self._replay = replay = Replay(stored) if stored else None
        if replay:
            for entry in entries:
                replay.add(entry)

    def _current(self) -> Replay | None:
        """What is stored, read again if the last write may have failed; None if there is no state yet."""
        if self._uncertain:
            found = self._reload()
            if self._attempted and found.entries[self._known :] == self._attempted:
                self._confirmed = self._attempted
            self._start(found.stored, found.entries)
        return self._replay

    @contextmanager
    def _reread_if_it_fails(self, attempted: Sequence[JournalEntry] = ()) -> Iterator[None]:
        """After an error it is uncertain what is stored: the next write reads it first.

        An ``attempted`` append was done if its entries follow all that were known before it. Searching for them at the
        end only could find an equal batch that is older.
        """
        self._uncertain, self._attempted, self._confirmed = True, tuple(attempted), ()
        yield
        self._uncertain, self._attempted = False, ()


def _check_base(state: State, saved: State, replay: Replay | None) -> None:
    """Raise Bug for a state that is invalid or not based on what is stored, except a repeated save."""
    found = integrity_errors(state)
    if found:
        raise Bug(f"the state is invalid and was not saved: {'; '.join(found[:5])}")
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
        raise Bug(f"an entry that could not be read back was not written: {error}") from error
