"""State at ``<key>``, its journal in ``<key>.journal/<serial>/``, one object a batch, its lock in ``<key>.lock``.

``<key>.history/`` holds the states before it, ``<key>.moved/`` what a move set aside.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smplan.core.state.journal import JournalEntry
from smplan.core.state.model import State
from smplan.core.values import Json
from smplan.errors import GuardRefused, Locked, StoreError
from smplan.stores import codec, history
from smplan.stores.interface import Clock, LockHolder, LockInfo, Snapshot, Store, silent, snapshot
from smplan.stores.locked import LockedState
from smplan.stores.s3.bucket import Bucket
from smplan.stores.s3.errors import Refused
from smplan.stores.s3.lease import Lease, look
from smplan.stores.s3.locked import S3Held
from smplan.stores.s3.policy import policy

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

LEASE_SECONDS = 60
RENEW_SECONDS = 20
_TRIES = 10
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class _Found:
    """A snapshot and what a writer must know: ETag and writer of the state object, and the number of the next batch."""

    snapshot: Snapshot
    etag: str | None = None
    next: int = 1
    writer: str = ""


class S3Store(Store):
    """The state at ``s3://bucket/key``. ``client`` must not wait long (see ``connect``): a lease runs out."""

    def __init__(
        self,
        bucket: str,
        key: str,
        *,
        client: S3Client,
        kms_key_id: str | None = None,
        say: Callable[[str], None] = silent,
        clock: Clock | None = None,
        lease_seconds: float = LEASE_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        super().__init__(say=say, clock=clock)
        self.location = f"s3://{bucket}/{key}"
        self.key = key
        self.bucket = Bucket(client, bucket, kms_key_id=kms_key_id, clock=self.clock, say=self.say)
        self._lease_seconds = lease_seconds
        self._renew_seconds = renew_seconds

    def look(self) -> Snapshot:
        """What is stored now; a save that happens meanwhile is seen whole or not at all."""
        return self.load().snapshot

    def load(self) -> _Found:
        """What is stored now, and what a writer must know of it."""
        for _ in range(_TRIES):
            found = self._load()
            if found:
                return found
        raise StoreError(f"{self.location} changes faster than it can be read", hint="run the same command again")

    def _load(self) -> _Found | None:
        """One reading; None if state was saved while it went on."""
        found = self.bucket.get(self.key, codec.STATE_BYTES)
        if found is None:
            return _Found(Snapshot())
        stored, mark = codec.decode_document(found.body, self.location)
        if stored is None:
            return _Found(Snapshot(mark=mark), found.etag)
        keys = self.bucket.keys(f"{self.journal(stored.state.serial)}/")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            bodies = list(pool.map(lambda key: self.bucket.get(key, codec.JOURNAL_BYTES), keys))
        if self.bucket.etag(self.key) != found.etag:
            return None
        entries = [
            entry
            for number, (key, body) in enumerate(zip(keys, bodies, strict=True), 1)
            for entry in self._batch(key, body.body if body else b"", stored.state, number)
        ]
        base = Snapshot(version=stored.version, pending_creates=stored.pending_creates, saved=stored.saved, mark=mark)
        return _Found(snapshot(stored.state, base, entries, self.location), found.etag, len(keys) + 1, stored.writer)

    def document(self, serial: int | None = None) -> bytes | None:
        """The bytes of the state object, or of one in the history."""
        found = self.bucket.get(self.past_key(serial), codec.STATE_BYTES)
        return found.body if found else None

    def past(self) -> list[int]:
        """The serials in the history, newest first."""
        folder = f"{self.key}.history/"
        return history.serials(key.removeprefix(folder) for key in self.bucket.keys(folder))

    def past_key(self, serial: int | None) -> str:
        """The key of the state that had ``serial``; of the present one for None."""
        return self.key if serial is None else f"{self.key}.history/{history.name(serial)}"

    def leftovers(self) -> list[str]:
        """The batches of any journal, and the earlier states."""
        keys = [key for kind in ("journal", "history") for key in self.bucket.keys(f"{self.key}.{kind}/")]
        return [self.bucket.place(key) for key in keys]

    def journal(self, serial: int) -> str:
        """Where the journal lies that builds on ``serial``."""
        return f"{self.key}.journal/{serial}"

    def batch_key(self, base: State, number: int) -> str:
        """The key of one batch."""
        return f"{self.journal(base.serial)}/{number:08d}.json"

    def batch(self, base: State, number: int, entries: Sequence[JournalEntry]) -> bytes:
        """The bytes of one batch, like no other's."""
        return codec.seal(
            codec.JOURNAL,
            {
                "lineage": base.lineage,
                "serial": base.serial,
                "number": number,
                "nonce": secrets.token_hex(8),
                "entries": [codec.entry_json(entry) for entry in entries],
            },
        )

    def _batch(self, key: str, body: bytes, base: State, number: int) -> list[JournalEntry]:
        place = self.bucket.place(key)
        if key != self.batch_key(base, number):
            raise codec.damaged(place, f"batch {number} is missing before it", codec.JOURNAL)
        members, _ = codec.unseal(codec.JOURNAL, body, place)
        try:
            origin = (members.text("lineage"), members.number("serial"), members.number("number"))
            if origin != (base.lineage, base.serial, number):
                raise StoreError(f"it is batch {origin[2]} on serial {origin[1]} of {origin[0]}")
            members.text("nonce")
            entries = [codec.parse_entry(item, "entry") for item in members.items("entries")]
            members.end()
        except StoreError as error:
            raise codec.damaged(place, str(error), codec.JOURNAL) from error
        return entries

    def policy(self) -> dict[str, Json]:
        """A bucket policy under which nobody writes this state without a condition."""
        return policy(self.bucket.name, self.key, self.bucket.partition)

    @property
    def lock_key(self) -> str:
        """The key of the lock object."""
        return f"{self.key}.lock"

    def grip(self) -> LockInfo | None:
        """The lock now; a lease that has run out is held by nobody."""
        found = look(self.bucket, self.lock_key)
        if found is None:
            return None
        object, lock = found
        return LockInfo(lock.holder, lock.expires.isoformat(), lock.epoch, lock.expires < object.date, object.etag)

    def break_lock(self, grip: LockInfo, holder: LockHolder) -> None:
        """Remove the lock object; taking the lock and giving it back then shuts its former holder out (``_fence``)."""
        try:
            self.bucket.delete(self.lock_key, grip.tag)
        except Refused as error:
            raise GuardRefused(
                f"the lock on {self.location} has changed since it was shown: it was renewed or taken, "
                "so somebody is at work",
                hint="smplan lock show tells who; only if nobody should be, break it again",
            ) from error
        with suppress(Locked):  # somebody else took it at once, and shut the former holder out
            self.lock(holder).release()

    def probe(self, holder: LockHolder) -> None:
        """Take the lease, which tries whether the store honours conditions, and give it back."""
        self._lease(holder).release()

    def _lease(self, holder: LockHolder) -> Lease:
        return Lease(self.bucket, self.lock_key, holder, seconds=self._lease_seconds, clock=self.clock, say=self.say)

    def _acquire(self, holder: LockHolder) -> LockedState:
        lease = self._lease(holder)
        lease.beat(self._renew_seconds)
        try:
            found = self._fence(lease)
            return S3Held(self, lease, found.snapshot, found.etag, found.next)
        except BaseException:
            lease.release()
            raise

    def _fence(self, lease: Lease) -> _Found:
        """Shut out every earlier holder, then read.

        One that was stopped and goes on believes in its lease. Its save fails, because the state object has another
        ETag now; its next batch fails, because the number is taken. What it wrote before that is read here.
        Where a move left a note nobody may write, and whoever moves replaces the note by its ETag.
        """
        for _ in range(_TRIES):
            found = self.load()
            state = found.snapshot.stored
            if state is None or found.snapshot.mark:
                return found
            with suppress(Refused):
                pending_creates, saved = found.snapshot.pending_creates, found.snapshot.saved
                marked = codec.encode_state(state, pending_creates, writer=lease.nonce, saved=saved)
                etag = self.bucket.put(self.key, marked, etag=found.etag)
                self.bucket.put(self.batch_key(state, found.next), self.batch(state, found.next, ()), etag=None)
                return _Found(found.snapshot, etag, found.next + 1)
        raise Locked(
            f"{self.location} is written by somebody who does not hold its lock",
            hint="find out who, stop it, and run the same command again",
        )
