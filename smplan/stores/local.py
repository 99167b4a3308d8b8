"""State in local files: ``<name>.state.json``, its journal ``<name>.journal.jsonl``, its lock ``<name>.lock``."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from smplan.core.journal import Intent, JournalEntry
from smplan.core.state import State
from smplan.errors import Locked, StoreError
from smplan.stores import codec, files, lines
from smplan.stores.base import Clock, Held, Holder, Snapshot, Store, silent, snapshot
from smplan.stores.files import Disk

_LOOKS = 10
"""How often a reader looks again when somebody saves while it reads."""
_TRIES = 5
_GLANCE = 0.02
"""Seconds between tries at a lock that may only be looked at by ``holder``."""


class LocalStore(Store):
    """The state at ``path``; journal and lock are its neighbours. Files are 0600, links are refused."""

    def __init__(
        self,
        path: Path,
        *,
        say: Callable[[str], None] = silent,
        clock: Clock | None = None,
        disk: Disk | None = None,
    ) -> None:
        super().__init__(say=say, clock=clock)
        name = path.name.removesuffix(".json").removesuffix(".state")
        self.path = path
        self.journal = path.with_name(f"{name}.journal.jsonl")
        self.lock_file = path.with_name(f"{name}.lock")
        self.location = str(path)
        self.disk = disk or Disk()

    def read(self) -> Snapshot:
        """What is stored now; a save that happens meanwhile is seen whole or not at all."""
        return self.load()[0]

    def load(self) -> tuple[Snapshot, lines.Journal]:
        """What is stored now, and how its journal lies in the file."""
        for _ in range(_LOOKS):
            file = files.read(self.disk, self.path, codec.STATE_BYTES, self.say)
            journal = files.read(self.disk, self.journal, codec.JOURNAL_BYTES, self.say)
            if files.stamp(self.path) == (file.stamp if file else None):
                return self._understood(file, journal)
        raise StoreError(f"{self.path} changes faster than it can be read", hint="run the same command again")

    def _understood(self, file: files.File | None, journal: files.File | None) -> tuple[Snapshot, lines.Journal]:
        if file is None:
            if journal is not None:
                raise codec.damaged(
                    str(self.journal), f"the state it builds on, {self.path}, is not there", codec.JOURNAL
                )
            return Snapshot(), lines.Journal(stale=True)
        stored = codec.decode_state(file.data, str(self.path))
        written = lines.Journal(stale=True)
        if journal is not None:
            written = lines.read(journal.data, str(self.journal), stored.state)
        found = snapshot(stored.state, (*stored.orphans, *written.entries), stored.version, self.location)
        return found, written

    def holder(self) -> Holder | None:
        """Who holds the lock now. A lock whose process has died is held by nobody, whatever is written in it."""
        with files.told(self.lock_file, "read"):
            try:
                descriptor = self.disk.open(self.lock_file, os.O_RDONLY)
            except FileNotFoundError:
                return None
            try:
                return None if _flock(descriptor, fcntl.LOCK_SH) else self._written(descriptor)
            finally:
                os.close(descriptor)

    def _acquire(self, holder: Holder) -> Held:
        with files.told(self.lock_file, "locked"):
            files.make_folder(self.disk, self.path.parent)
            descriptor = self.disk.open(self.lock_file, os.O_RDWR | os.O_CREAT)
        try:
            with files.told(self.lock_file, "locked"):
                self._take(descriptor)
                self.disk.chmod(descriptor)
                self.disk.truncate(descriptor, 0)
                files.write(self.disk, descriptor, codec.seal(codec.LOCK, codec.holder_json(holder)))
            found, journal = self.load()
            self.renew(journal)
            if journal.torn:
                self.say(f"the last line of {self.journal} was unfinished and is left out: nobody relied on it yet")
            return _LocalHeld(self, descriptor, found, journal)
        except BaseException:
            os.close(descriptor)
            raise

    def renew(self, journal: lines.Journal) -> None:
        """Write a journal that was left over anew, durably, before anything builds upon it.

        Half a line goes with that. And what can be read may be in memory only: it came from a process that ended
        before its fsync, or whose fsync failed, and such pages no later fsync need write.
        """
        if not journal.stale:
            files.replace(self.disk, self.journal, journal.whole)

    def _take(self, descriptor: int) -> None:
        for _ in range(_TRIES):
            if _flock(descriptor, fcntl.LOCK_EX):
                return
            self.clock.pause(_GLANCE)
        who = self._written(descriptor)
        raise Locked(
            f"{self.location} is locked by {who}",
            hint="wait until that has ended; the lock goes with its process, so there is nothing to remove",
        )

    def _written(self, descriptor: int) -> Holder:
        """The holder written in the lock file; somebody unknown while it is being written, or if it is damaged."""
        data = os.pread(descriptor, codec.LOCK_BYTES, 0)
        try:
            members, _ = codec.unseal(codec.LOCK, data, str(self.lock_file))
            return codec.parse_holder({name: members.text(name) for name in ("who", "operation", "run", "since")})
        except StoreError:
            return Holder("somebody", "unknown", "unknown", "an unknown time")


def _flock(descriptor: int, kind: int) -> bool:
    """Whether the lock could be had without waiting."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class _LocalHeld(Held):
    def __init__(self, store: LocalStore, lock: int, found: Snapshot, journal: lines.Journal) -> None:
        self._store = store
        self._lock: int | None = lock
        self._journal = journal
        self._descriptor: int | None = None
        super().__init__(found)

    def check(self) -> None:
        """Raises Locked if the lock was released, or its file removed: somebody else may hold a new one."""
        store = self._store
        if self._lock is not None:
            with files.told(store.lock_file, "read"), suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._lock), os.stat(store.lock_file, follow_symlinks=False)):
                    return
        raise Locked(
            f"the lock on {store.location} was lost: {store.lock_file} was removed, or the lock released",
            hint="run the same command again, and leave lock files where they are",
        )

    def release(self) -> None:
        """Give the lock back."""
        self._close()
        if self._lock is not None:
            with suppress(OSError):
                self._store.disk.truncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def _append(self, base: State, entries: Sequence[JournalEntry]) -> None:
        disk, path = self._store.disk, self._store.journal
        if self._journal.stale:
            first = lines.header(base)
            line = lines.batch(entries, lines.check_sum(first))
            files.replace(disk, path, first + line)
        else:
            line = lines.batch(entries, self._journal.sum)
            with files.told(path, "written"):
                if self._descriptor is None:
                    self._descriptor = disk.open(path, os.O_WRONLY | os.O_APPEND)
                files.write(disk, self._descriptor, line)
                disk.sync(self._descriptor)
        self._journal = lines.Journal(sum=lines.check_sum(line))

    def _save(self, state: State, orphans: tuple[Intent, ...]) -> None:
        files.replace(self._store.disk, self._store.path, codec.encode_state(state, orphans))
        self._close()
        self._journal = lines.Journal(stale=True)
        with suppress(OSError):  # it builds on an earlier state now, and counts for nothing
            self._store.disk.unlink(self._store.journal)

    def _reload(self) -> Snapshot:
        self._close()
        found, journal = self._store.load()
        self._store.renew(journal)
        self._journal = journal
        return found

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
