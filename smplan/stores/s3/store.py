"""State at ``<key>``, its journal in ``<key>.journal/<serial>/``, one object a batch, its lock in ``<key>.lock``."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smplan.core.journal import Intent, JournalEntry
from smplan.core.state import State
from smplan.errors import Locked, StoreError
from smplan.stores import codec
from smplan.stores.base import Clock, Held, Holder, Snapshot, Store, silent, snapshot
from smplan.stores.s3.bucket import Bucket
from smplan.stores.s3.faults import Refused
from smplan.stores.s3.lease import Lease, look

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

LEASE_SECONDS = 60
RENEW_SECONDS = 20
_TRIES = 10
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class _Found:
    """A snapshot and what a writer must know beside it: the state object's ETag, and the number of the next batch."""

    snapshot: Snapshot
    orphans: tuple[Intent, ...] = ()
    etag: str | None = None
    next: int = 1


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
        self.bucket = Bucket(client, bucket, kms_key_id=kms_key_id, clock=self.clock)
        self._lease_seconds = lease_seconds
        self._renew_seconds = renew_seconds

    def read(self) -> Snapshot:
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
        stored = codec.decode_state(found.body, self.location)
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
        seen = snapshot(stored.state, (*stored.orphans, *entries), stored.version, self.location)
        return _Found(seen, stored.orphans, found.etag, len(keys) + 1)

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

    @property
    def lock_key(self) -> str:
        """The key of the lock object."""
        return f"{self.key}.lock"

    def holder(self) -> Holder | None:
        """Who holds the lock now; a lease that has run out is held by nobody."""
        found = look(self.bucket, self.lock_key)
        return found[1].holder if found and found[1].expires >= found[0].date else None

    def _acquire(self, holder: Holder) -> Held:
        lease = Lease(self.bucket, self.lock_key, holder, seconds=self._lease_seconds, clock=self.clock, say=self.say)
        lease.beat(self._renew_seconds)
        try:
            return _S3Held(self, lease, self._fence(lease))
        except BaseException:
            lease.release()
            raise

    def _fence(self, lease: Lease) -> _Found:
        """Shut out every earlier holder, then read.

        One that was stopped and goes on believes in its lease. Its save fails, because the state object has another
        ETag now; its next batch fails, because the number is taken. What it wrote before that is read here.
        """
        for _ in range(_TRIES):
            found = self.load()
            state = found.snapshot.stored
            if state is None:
                return found
            with suppress(Refused):
                marked = codec.encode_state(state, found.orphans, writer=lease.nonce)
                etag = self.bucket.put(self.key, marked, etag=found.etag)
                self.bucket.put(self.batch_key(state, found.next), self.batch(state, found.next, ()), etag=None)
                return _Found(found.snapshot, found.orphans, etag, found.next + 1)
        raise Locked(
            f"{self.location} is written by somebody who does not hold its lock",
            hint="find out who, stop it, and run the same command again",
        )


class _S3Held(Held):
    def __init__(self, store: S3Store, lease: Lease, found: _Found) -> None:
        self._store = store
        self._lease = lease
        self._etag = found.etag
        self._next = found.next
        super().__init__(found.snapshot)

    def check(self) -> None:
        """Raises Locked if the lease was lost, or ran out and could not be renewed."""
        self._lease.check()

    def release(self) -> None:
        """Give the lease back."""
        self._lease.release()

    def _append(self, base: State, entries: Sequence[JournalEntry]) -> None:
        store, number = self._store, self._next
        self._put(store.batch_key(base, number), store.batch(base, number, entries), None)
        self._next = number + 1
        self.check()  # the batch may have come in after the lease ran out, when nobody looks for it any more

    def _save(self, state: State, orphans: tuple[Intent, ...]) -> None:
        body = codec.encode_state(state, orphans, writer=f"{self._lease.nonce} {secrets.token_hex(8)}")
        self._etag = self._put(self._store.key, body, self._etag)
        self._next = 1
        with suppress(StoreError):  # they build on earlier states, and count for nothing
            self._sweep(state)

    def _put(self, key: str, body: bytes, etag: str | None) -> str:
        try:
            return self._store.bucket.put(key, body, etag=etag)
        except Refused as error:
            self._lease.lose(f"somebody else wrote {self._store.bucket.place(key)}")
            raise Locked(
                f"the lock on {self._store.location} was lost: somebody else wrote {key}",
                hint="run the same command again; what was journalled is safe",
            ) from error

    def _sweep(self, state: State) -> None:
        kept = f"{self._store.journal(state.serial)}/"
        keys = self._store.bucket.keys(f"{self._store.key}.journal/")
        self._store.bucket.remove([key for key in keys if not key.startswith(kept)])

    def _reload(self) -> Snapshot:
        found = self._store.load()
        self._etag, self._next = found.etag, found.next
        return found.snapshot
