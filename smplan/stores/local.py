"""State in local files: ``<name>.state.json``, its journal ``<name>.journal.jsonl``, its lock ``<name>.lock``.

``<name>.history/`` holds replaced states, ``….moved`` are backups of a move.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from smplan.core.state.journal import JournalEntry, StepIntent
from smplan.core.state.model import State
from smplan.errors import GuardRefused, Locked, StoreError
from smplan.stores import codec, files, history, journal_file
from smplan.stores.files import Disk
from smplan.stores.interface import Clock, LockedState, LockHolder, LockInfo, Snapshot, Store, ignore, snapshot
from smplan.stores.locked import LockedStateBase

READ_ATTEMPTS = 10
"""How often the files are read again when the state is saved meanwhile."""
LOCK_ATTEMPTS = 5
LOCK_PAUSE = 0.02
"""Seconds between tries at a lock: ``lock_info`` holds it for a moment, too."""


class LocalStore(Store):
    """The state at ``path``; journal, lock and history are beside it. Files are 0600, symbolic links are rejected."""

    def __init__(
        self,
        path: Path,
        *,
        on_warning: Callable[[str], None] = ignore,
        clock: Clock | None = None,
        disk: Disk | None = None,
    ) -> None:
        super().__init__(on_warning=on_warning, clock=clock)
        name = path.name.removesuffix(".json").removesuffix(".state")
        self.path = path
        self.journal = path.with_name(f"{name}.journal.jsonl")
        self.lock_file = path.with_name(f"{name}.lock")
        self.history_folder = path.with_name(f"{name}.history")
        self.location = str(path)
        self.disk = disk or Disk()

    def read_unchecked(self) -> Snapshot:
        """What is stored now; a concurrent save is seen as a whole or not at all."""
        return self.load()[0]

    def document(self, serial: int | None = None) -> bytes | None:
        """The bytes of the state file, or of one in the history."""
        file = files.read(self.disk, self.version_file(serial), codec.STATE_BYTES, self.on_warning)
        return file.data if file else None

    def history(self) -> list[int]:
        """The serials in the history, newest first."""
        self._check_history_folder()
        with files.translate_os_errors(self.history_folder, "read"):
            try:
                return history.serials(os.listdir(self.history_folder))
            except FileNotFoundError:
                return []

    def version_file(self, serial: int | None) -> Path:
        """The file of the state with ``serial``; of the current one for None."""
        if serial is None:
            return self.path
        self._check_history_folder()
        return self.history_folder / history.name(serial)

    def _check_history_folder(self) -> None:
        """Raise StoreError if the folder is a symbolic link, which may lead anywhere."""
        if self.history_folder.is_symlink():
            raise StoreError(
                f"{self.history_folder} is a symbolic link", hint="replace it by a folder; nothing was changed"
            )

    def residue(self) -> list[str]:
        """The journal file, and the earlier states."""
        journal = [self.journal] if files.stamp(self.journal) else []
        return [str(path) for path in (*journal, *map(self.version_file, self.history()))]

    def load(self) -> tuple[Snapshot, journal_file.Journal]:
        """What is stored now, and its journal as a file."""
        for _ in range(READ_ATTEMPTS):
            file = files.read(self.disk, self.path, codec.STATE_BYTES, self.on_warning)
            journal = files.read(self.disk, self.journal, codec.JOURNAL_BYTES, self.on_warning)
            if files.stamp(self.path) == (file.stamp if file else None):
                return self._parse(file, journal)
        raise StoreError(f"{self.path} changes faster than it can be read", hint="run the same command again")

    def _parse(self, file: files.File | None, journal: files.File | None) -> tuple[Snapshot, journal_file.Journal]:
        if file is None:
            if journal is not None:
                raise codec.damaged(
                    str(self.journal), f"the state it builds on, {self.path}, is missing", codec.JOURNAL
                )
            return Snapshot(), journal_file.Journal(stale=True)
        stored, marker, version = codec.decode_document(file.data, str(self.path))
        if stored is None:
            return Snapshot(marker=marker), journal_file.Journal(stale=True)
        written = journal_file.Journal(stale=True)
        if journal is not None:
            written = journal_file.read(journal.data, str(self.journal), stored.state)
        base = Snapshot(version=version, pending_creates=stored.pending_creates, saved=stored.saved, marker=marker)
        return snapshot(stored.state, base, written.entries, self.location), written

    def lock_info(self) -> LockInfo | None:
        """The lock now. It is free once its process has ended, whatever is written in the file."""
        with files.translate_os_errors(self.lock_file, "read"):
            try:
                descriptor = self.disk.open(self.lock_file, os.O_RDONLY)
            except FileNotFoundError:
                return None
            try:
                return None if _flock(descriptor, fcntl.LOCK_SH) else LockInfo(self._read_holder(descriptor))
            finally:
                os.close(descriptor)

    def break_lock(self, info: LockInfo, holder: LockHolder) -> None:
        """Raises GuardRefused: the system keeps the lock until its process ends."""
        raise GuardRefused(
            f"{self.location} is locked by {info.holder}: a local lock cannot be broken, it ends with its process",
            hint="end that process: the lock is free at once, and the journal has what it did",
        )

    def test_lock(self, holder: LockHolder) -> None:
        """Take and release the lock."""
        descriptor = self._lock_file(holder)
        with files.translate_os_errors(self.lock_file, "written"):
            try:
                self.disk.truncate(descriptor, 0)
            finally:
                os.close(descriptor)

    def _acquire(self, holder: LockHolder) -> LockedState:
        descriptor = self._lock_file(holder)
        try:
            found, journal = self.load()
            self.renew(journal)
            if journal.torn:
                self.on_warning(
                    f"the last line of {self.journal} was unfinished and is left out: no step depended on it"
                )
            return LocalLockedState(self, descriptor, found, journal)
        except BaseException:
            os.close(descriptor)
            raise

    def _lock_file(self, holder: LockHolder) -> int:
        """The descriptor of the lock file, locked, with ``holder`` written into it."""
        with files.translate_os_errors(self.lock_file, "locked"):
            files.make_folder(self.disk, self.path.parent)
            descriptor = self.disk.open(self.lock_file, os.O_RDWR | os.O_CREAT)
            try:
                self._flock_exclusively(descriptor)
                self._check_lock_file(descriptor)
                self.disk.chmod(descriptor)
                self.disk.truncate(descriptor, 0)
                files.write(self.disk, descriptor, codec.seal(codec.LOCK, holder))
            except BaseException:
                os.close(descriptor)
                raise
        return descriptor

    def renew(self, journal: journal_file.Journal) -> None:
        """Rewrite the journal of an earlier process durably, before anything builds on it.

        That drops an unfinished line. And what can be read may be in memory only: if the process ended before its
        fsync, or that failed, no later fsync need write those pages.
        """
        if not journal.stale:
            files.replace(self.disk, self.journal, journal.whole)

    def _flock_exclusively(self, descriptor: int) -> None:
        for _ in range(LOCK_ATTEMPTS):
            if _flock(descriptor, fcntl.LOCK_EX):
                return
            self.clock.pause(LOCK_PAUSE)
        who = self._read_holder(descriptor)
        raise Locked(
            f"{self.location} is locked by {who}",
            hint="wait until that has ended; the lock ends with its process, so there is nothing to delete",
        )

    def _check_lock_file(self, descriptor: int) -> None:
        """Raise StoreError if the lock file holds what smplan did not write: it would be lost."""
        if not codec.may_be_ours(os.pread(descriptor, codec.LOCK_BYTES, 0)):
            raise StoreError(
                f"{self.lock_file} is not a lock that smplan wrote",
                hint="keep that file elsewhere, or choose another path in `state`; nothing was changed",
            )

    def _read_holder(self, descriptor: int) -> LockHolder:
        """The holder written in the lock file; unknown while it is being written, or if it is damaged."""
        data = os.pread(descriptor, codec.LOCK_BYTES, 0)
        try:
            return codec.unseal({codec.LOCK: LockHolder}, data, str(self.lock_file))[0]
        except StoreError:
            return LockHolder("an unknown process", "unknown", "unknown", "an unknown time")


def _flock(descriptor: int, kind: int) -> bool:
    """Whether the lock was taken without waiting."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class LocalLockedState(LockedStateBase):
    def __init__(self, store: LocalStore, lock: int, found: Snapshot, journal: journal_file.Journal) -> None:
        self._lock: int | None = lock
        self._journal = journal
        self._descriptor: int | None = None
        self._store = store
        super().__init__(found, store.on_warning)

    def check(self) -> None:
        """Raises Locked if the lock was released, or its file deleted: another process may hold a new one."""
        store = self._store
        if self._lock is not None:
            with files.translate_os_errors(store.lock_file, "read"), suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._lock), os.stat(store.lock_file, follow_symlinks=False)):
                    return
        raise Locked(
            f"the lock on {store.location} was lost: {store.lock_file} was deleted, or the lock released",
            hint="run the same command again, and do not delete lock files",
        )

    def release(self) -> None:
        """Release the lock."""
        self._close()
        lock, self._lock = self._lock, None
        if lock is not None:
            try:
                with suppress(OSError):
                    self._store.disk.truncate(lock, 0)
            finally:
                os.close(lock)

    def _append(self, base: State, entries: Sequence[JournalEntry]) -> None:
        disk, path = self._store.disk, self._store.journal
        if self._journal.stale:
            first = journal_file.header(base)
            line = journal_file.record(entries, journal_file.checksum(first))
            files.replace(disk, path, first + line)
        else:
            line = journal_file.record(entries, self._journal.sum)
            with files.translate_os_errors(path, "written"):
                if self._descriptor is None:
                    self._descriptor = disk.open(path, os.O_WRONLY | os.O_APPEND)
                files.write(disk, self._descriptor, line)
                disk.sync(self._descriptor)
        self._journal = journal_file.Journal(sum=journal_file.checksum(line))

    def _save(self, state: State, pending_creates: tuple[StepIntent, ...]) -> None:
        now = self._store.clock.date().isoformat(timespec="seconds")
        self.put(codec.encode_state(state, pending_creates, saved=now))
        self._drop_journal()  # it builds on an earlier state now, and is ignored if this fails
        with suppress(OSError, StoreError):
            for serial in history.expired(self._store.history(), state.serial):
                self._store.disk.unlink(self._store.version_file(serial))

    def put(self, document: bytes) -> None:
        """Replace the state file."""
        files.replace(self._store.disk, self._store.path, document)

    def put_version(self, serial: int, document: bytes) -> None:
        """Write a file of the history."""
        store = self._store
        path = store.version_file(serial)
        with files.translate_os_errors(store.history_folder, "created"):
            files.make_folder(store.disk, store.history_folder)
        files.replace(store.disk, path, document)

    def put_journal(self, base: State, entries: Sequence[JournalEntry]) -> None:
        """Rewrite the journal file, or delete it."""
        self._drop_journal()
        if entries:
            self._append(base, entries)

    def back_up(self) -> list[str]:
        """Copy state and journal to new files called ``….moved``."""
        store = self._store
        copies = []
        for path in (store.path, store.journal):
            file = files.read(store.disk, path, codec.JOURNAL_BYTES, store.on_warning)
            if file:
                copies.append(files.back_up(store.disk, path, file.data))
        return copies

    def _drop_journal(self) -> None:
        self._close()
        self._journal = journal_file.Journal(stale=True)
        with suppress(OSError):
            self._store.disk.unlink(self._store.journal)

    def _stored_bytes(self) -> bytes:
        return self._store.document() or b""

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
