"""The locked state in S3: every write names the ETag that it replaces, or that there is no object yet."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress

from smplan.core.state.journal import JournalEntry, StepIntent
from smplan.core.state.model import State
from smplan.errors import Locked, StoreError
from smplan.stores import codec, history, journal_file
from smplan.stores.interface import Snapshot
from smplan.stores.locked import LockedStateBase
from smplan.stores.s3.errors import PreconditionFailed
from smplan.stores.s3.lease import Lease
from smplan.stores.s3.objects import Loaded, StateObjects


class S3LockedState(LockedStateBase):
    """``objects`` under a held lease, as they were ``found`` when it was taken."""

    def __init__(self, objects: StateObjects, lease: Lease, found: Loaded, on_warning: Callable[[str], None]) -> None:
        self._objects = objects
        self._bucket = objects.bucket
        self._lease = lease
        self._etag = found.etag
        self._next = found.next_batch
        super().__init__(found.snapshot, on_warning)

    def check(self) -> None:
        """Raises Locked if the lease was lost, or expired and could not be renewed."""
        self._lease.check()

    def release(self) -> None:
        """Release the lease."""
        self._lease.release()

    def _append(self, base: State, entries: Sequence[JournalEntry]) -> None:
        objects, number = self._objects, self._next
        self._put(objects.batch_key(base, number), objects.encode_batch(base, number, entries), None)
        self._next = number + 1
        self.check()
        self._check_writer(self._bucket.etag(self._objects.key))

    def _check_writer(self, etag: str | None, writer: str = "") -> None:
        """Raises Locked if another process wrote the state object, as each new holder does first.

        That a batch was written proves nothing: after another holder has saved, its number is free, and it is ignored.
        """
        if etag != self._etag and not writer.startswith(self._lease.nonce):
            raise self._lost(self._objects.key)

    def _save(self, state: State, pending_creates: tuple[StepIntent, ...]) -> None:
        writer, now = f"{self._lease.nonce} {secrets.token_hex(8)}", self._bucket.now()
        self.put(codec.encode_state(state, pending_creates, writer, now.isoformat(timespec="seconds")))
        self._next = 1
        with suppress(StoreError):  # they are ignored from now on
            self._delete_old(state)

    def _stored_bytes(self) -> bytes:
        found = self._bucket.get(self._objects.key, codec.STATE_BYTES)
        self._check_writer(found.etag if found else None)
        return found.body if found else b""

    def put(self, document: bytes) -> None:
        """Replace the state object."""
        self._etag = self._put(self._objects.key, document, self._etag)

    def put_version(self, serial: int, document: bytes) -> None:
        """Write an object of the history, over one from before an older state was restored."""
        bucket, key = self._bucket, self._objects.version_key(serial)
        try:
            bucket.put(key, document, etag=None)
        except PreconditionFailed:
            bucket.put(key, document, etag=bucket.etag(key))

    def put_journal(self, base: State, entries: Sequence[JournalEntry]) -> None:
        """Delete every batch of any journal, and write one of ``entries``."""
        self._bucket.remove(self._bucket.keys(self._objects.journals))
        self._next = 1
        if entries:
            self._append(base, entries)

    def back_up(self) -> list[str]:
        """Write state and journal under ``<key>.moved/``, in the format of local files."""
        bucket, found, document = self._bucket, self.snapshot, self._objects.document()
        folder = f"{self._objects.key}.moved/{bucket.now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        copies = {f"{folder}/state.json": document or b""}
        if found.stored and found.written:
            first = journal_file.header(found.stored)
            copies[f"{folder}/journal.jsonl"] = first + journal_file.record(found.written, journal_file.checksum(first))
        for key, body in copies.items():
            bucket.put(key, body, etag=None)
        return [bucket.uri(key) for key in copies]

    def _put(self, key: str, body: bytes, etag: str | None) -> str:
        try:
            return self._bucket.put(key, body, etag=etag)
        except PreconditionFailed as error:
            raise self._lost(key) from error

    def _lost(self, key: str) -> Locked:
        self._lease.mark_lost(f"another process wrote {self._bucket.uri(key)}")
        return Locked(
            f"the lock on {self._objects.location} was lost: another process wrote {key}",
            hint="run the same command again; what was journaled is safe",
        )

    def _delete_old(self, state: State) -> None:
        """Delete batches that build on earlier states, and states too old for the history."""
        objects, bucket = self._objects, self._bucket
        kept = objects.journal(state.serial)
        bucket.remove([key for key in bucket.keys(objects.journals) if not key.startswith(kept)])
        bucket.remove([objects.version_key(serial) for serial in history.expired(objects.history(), state.serial)])

    def _reload(self) -> Snapshot:
        found = self._objects.load()
        self._check_writer(found.etag, found.writer)
        self._etag, self._next = found.etag, found.next_batch
        return found.snapshot
