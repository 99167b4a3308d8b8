"""The right to write a state in S3: every write names the version it replaces, or that there is none yet."""

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
    """A held lease on ``objects``, as they were ``found`` when it was taken."""

    def __init__(self, objects: StateObjects, lease: Lease, found: Loaded, on_warning: Callable[[str], None]) -> None:
        self._objects = objects
        self._bucket = objects.bucket
        self._lease = lease
        self._etag = found.etag
        self._next = found.next_batch
        super().__init__(found.snapshot, on_warning)

    def check(self) -> None:
        """Raises Locked if the lease was lost, or ran out and could not be renewed."""
        self._lease.check()

    def release(self) -> None:
        """Give the lease back."""
        self._lease.release()

    def _append(self, base: State, entries: Sequence[JournalEntry]) -> None:
        objects, number = self._objects, self._next
        self._put(objects.batch_key(base, number), objects.encode_batch(base, number, entries), None)
        self._next = number + 1
        self.check()
        self._still_ours(self._bucket.etag(self._objects.key))

    def _still_ours(self, etag: str | None, writer: str = "") -> None:
        """Raises Locked if somebody else wrote the state object, as whoever takes the lock does first.

        A batch alone does not tell: where another holder has saved, its number is free again and nobody reads it.
        """
        if etag != self._etag and not writer.startswith(self._lease.nonce):
            raise self._lost(self._objects.key)

    def _save(self, state: State, pending_creates: tuple[StepIntent, ...]) -> None:
        writer, now = f"{self._lease.nonce} {secrets.token_hex(8)}", self._bucket.now()
        self.put(codec.encode_state(state, pending_creates, writer, now.isoformat(timespec="seconds")))
        self._next = 1
        with suppress(StoreError):  # they count for nothing
            self._sweep(state)

    def _stored_bytes(self) -> bytes:
        found = self._bucket.get(self._objects.key, codec.STATE_BYTES)
        self._still_ours(found.etag if found else None)
        return found.body if found else b""

    def put(self, document: bytes) -> None:
        """Replace the state object."""
        self._etag = self._put(self._objects.key, document, self._etag)

    def put_version(self, serial: int, document: bytes) -> None:
        """Write an object of the history. One that lies there from before an older state was put back gives way."""
        bucket, key = self._bucket, self._objects.version_key(serial)
        try:
            bucket.put(key, document, etag=None)
        except PreconditionFailed:
            bucket.put(key, document, etag=bucket.etag(key))

    def put_journal(self, base: State, entries: Sequence[JournalEntry]) -> None:
        """Remove every batch of any journal, and write one of ``entries``."""
        self._bucket.remove(self._bucket.keys(self._objects.journals))
        self._next = 1
        if entries:
            self._append(base, entries)

    def back_up(self) -> list[str]:
        """Write state and journal under ``<key>.moved/``, in the form of local files that may be put anywhere."""
        bucket, found, document = self._bucket, self.snapshot, self._objects.document()
        folder = f"{self._objects.key}.moved/{bucket.now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        copies = {f"{folder}/state.json": document or b""}
        if found.stored and found.written:
            first = journal_file.header(found.stored)
            copies[f"{folder}/journal.jsonl"] = first + journal_file.record(found.written, journal_file.checksum(first))
        for key, body in copies.items():
            bucket.put(key, body, etag=None)
        return [bucket.place(key) for key in copies]

    def _put(self, key: str, body: bytes, etag: str | None) -> str:
        try:
            return self._bucket.put(key, body, etag=etag)
        except PreconditionFailed as error:
            raise self._lost(key) from error

    def _lost(self, key: str) -> Locked:
        self._lease.mark_lost(f"somebody else wrote {self._bucket.place(key)}")
        return Locked(
            f"the lock on {self._objects.location} was lost: somebody else wrote {key}",
            hint="run the same command again; what was journalled is safe",
        )

    def _sweep(self, state: State) -> None:
        """Remove batches that build on earlier states, and the states that are too old to be kept."""
        objects, bucket = self._objects, self._bucket
        kept = objects.journal(state.serial)
        bucket.remove([key for key in bucket.keys(objects.journals) if not key.startswith(kept)])
        bucket.remove([objects.version_key(serial) for serial in history.too_old(objects.history(), state.serial)])

    def _reload(self) -> Snapshot:
        found = self._objects.load()
        self._still_ours(found.etag, found.writer)
        self._etag, self._next = found.etag, found.next_batch
        return found.snapshot
