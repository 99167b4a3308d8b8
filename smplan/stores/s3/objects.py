"""The objects of one state in a bucket: their keys, and how they are read together.

The state is at ``<key>``, its journal in ``<key>.journal/<serial>/``, one object per batch, its lock in ``<key>.lock``.
``<key>.history/`` holds replaced states, ``<key>.moved/`` backups of a move.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from smplan.core.state.journal import JournalEntry
from smplan.core.state.model import State
from smplan.errors import StoreError
from smplan.stores import codec, history
from smplan.stores.interface import Snapshot, snapshot
from smplan.stores.s3.bucket import Bucket

READ_ATTEMPTS = 10
"""How often the objects are read again when the state is saved meanwhile."""
PARALLEL_READS = 8


@dataclass(frozen=True, slots=True)
class Loaded:
    """A snapshot and what a writer must know: ETag and writer of the state object, and the number of the next batch."""

    snapshot: Snapshot
    etag: str | None = None
    next_batch: int = 1
    writer: str = ""


@dataclass(frozen=True, slots=True)
class _Batch:
    """``nonce`` makes its bytes unique: comparing them shows whether a write was done."""

    lineage: str
    serial: int
    number: int
    nonce: str
    entries: tuple[JournalEntry, ...]


@dataclass(frozen=True, slots=True)
class StateObjects:
    """The objects in ``bucket`` of the state at ``key``."""

    bucket: Bucket
    key: str

    @property
    def location(self) -> str:
        """``s3://bucket/key``."""
        return self.bucket.uri(self.key)

    @property
    def lock_key(self) -> str:
        """The key of the lock object."""
        return f"{self.key}.lock"

    @property
    def journals(self) -> str:
        """What the keys of all batches start with."""
        return f"{self.key}.journal/"

    def journal(self, serial: int) -> str:
        """What the keys of the batches on ``serial`` start with."""
        return f"{self.journals}{serial}/"

    def batch_key(self, base: State, number: int) -> str:
        """The key of one batch."""
        return f"{self.journal(base.serial)}{number:08d}.json"

    def version_key(self, serial: int | None) -> str:
        """The key of the state with ``serial``; of the current one for None."""
        return self.key if serial is None else f"{self.key}.history/{history.name(serial)}"

    def history(self) -> list[int]:
        """The serials in the history, newest first."""
        folder = f"{self.key}.history/"
        return history.serials(key.removeprefix(folder) for key in self.bucket.keys(folder))

    def document(self, serial: int | None = None) -> bytes | None:
        """The bytes of the state object, or of one in the history; None if there is none."""
        found = self.bucket.get(self.version_key(serial), codec.STATE_BYTES)
        return found.body if found else None

    def load(self) -> Loaded:
        """What is stored now, and what a writer must know of it. Raises StoreError."""
        for _ in range(READ_ATTEMPTS):
            found = self._load()
            if found:
                return found
        raise StoreError(f"{self.location} changes faster than it can be read", hint="run the same command again")

    def _load(self) -> Loaded | None:
        """Read once; None if the state was saved meanwhile."""
        found = self.bucket.get(self.key, codec.STATE_BYTES)
        if found is None:
            return Loaded(Snapshot())
        stored, marker, version = codec.decode_document(found.body, self.location)
        if stored is None:
            return Loaded(Snapshot(marker=marker), found.etag)
        keys = self.bucket.keys(self.journal(stored.state.serial))
        with ThreadPoolExecutor(PARALLEL_READS) as pool:
            bodies = list(pool.map(lambda key: self.bucket.get(key, codec.JOURNAL_BYTES), keys))
        if self.bucket.etag(self.key) != found.etag:
            return None
        entries = [
            entry
            for number, (key, body) in enumerate(zip(keys, bodies, strict=True), 1)
            for entry in self._decode_batch(key, body.body if body else b"", stored.state, number)
        ]
        base = Snapshot(version=version, pending_creates=stored.pending_creates, saved=stored.saved, marker=marker)
        return Loaded(snapshot(stored.state, base, entries, self.location), found.etag, len(keys) + 1, stored.writer)

    def encode_batch(self, base: State, number: int, entries: Sequence[JournalEntry]) -> bytes:
        """The bytes of one batch, different from those of any other."""
        batch = _Batch(base.lineage, base.serial, number, secrets.token_hex(8), tuple(entries))
        return codec.seal(codec.JOURNAL, batch)

    def _decode_batch(self, key: str, body: bytes, base: State, number: int) -> tuple[JournalEntry, ...]:
        place = self.bucket.uri(key)
        if key != self.batch_key(base, number):
            raise codec.damaged(place, f"batch {number} is missing before it", codec.JOURNAL)
        found, _ = codec.unseal({codec.JOURNAL: _Batch}, body, place)
        if (found.lineage, found.serial, found.number) != (base.lineage, base.serial, number):
            why = f"it is batch {found.number} on serial {found.serial} of {found.lineage}"
            raise codec.damaged(place, why, codec.JOURNAL)
        return found.entries
