"""The lock of a state in S3: a lease that its holder renews, and that others may take over once it has expired."""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from smplan.errors import Locked, StoreError
from smplan.stores import codec
from smplan.stores.interface import Clock, LockHolder
from smplan.stores.s3.bucket import Bucket, Object
from smplan.stores.s3.errors import Expired, PreconditionFailed

_ATTEMPTS = 5
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_UNUSED_ETAG = '"00000000000000000000000000000000"'


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock object. ``epoch`` grows with every takeover; ``expires`` is ISO, UTC, by the server's clock."""

    holder: LockHolder
    epoch: int
    nonce: str
    expires: str

    @property
    def expires_at(self) -> datetime:
        """``expires`` as a time. Raises ValueError."""
        return datetime.strptime(self.expires, _TIME).replace(tzinfo=UTC)


def decode(data: bytes, place: str) -> Lock:
    """The lock sealed in ``data``. Raises StoreError saying what is wrong with ``place``."""
    lock, _ = codec.unseal({codec.LOCK: Lock}, data, place)
    try:
        _ = lock.expires_at
    except ValueError as error:
        raise codec.damaged(place, str(error), codec.LOCK) from error
    return lock


def read(bucket: Bucket, key: str) -> tuple[Object, Lock] | None:
    """The object at ``key`` and the lock in it, None if there is none."""
    found = bucket.get(key, codec.LOCK_BYTES)
    return (found, decode(found.body, bucket.uri(key))) if found else None


class Lease:
    """A lease on the lock object at ``key``, taken when created. Raises Locked if another process has it.

    It counts as held until a sixth of ``seconds`` before it expires; then it must be renewed before anything else.
    """

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        holder: LockHolder,
        *,
        seconds: float,
        clock: Clock,
        on_warning: Callable[[str], None],
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._holder = holder
        self._seconds = seconds
        self._clock = clock
        self._on_warning = on_warning
        self._mutex = threading.RLock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._lost = ""
        self.nonce = secrets.token_hex(16)
        self.epoch = 1
        self._acquire()
        try:
            self._test_conditions()
        except BaseException:
            self.release()
            raise

    def _acquire(self) -> None:
        for _ in range(_ATTEMPTS):
            found = read(self._bucket, self._key)
            if found and found[1].expires_at >= found[0].date:
                raise self._taken(found[1])
            self.epoch = found[1].epoch + 1 if found else 1
            try:
                self._write(found[0].etag if found else None)
            except PreconditionFailed:
                continue  # another process was faster: read whose it is
            return
        raise StoreError(
            f"{self._bucket.uri(self._key)}: the store reports that it exists, and that it does not",
            hint="keep state in a store that honours If-None-Match",
        )

    def _taken(self, lock: Lock) -> Locked:
        return Locked(
            f"{self._bucket.uri(self._key)} is held by {lock.holder}",
            hint=f"wait until that has ended; if it died, its lease expires at {lock.expires_at:%H:%M:%S} UTC",
        )

    def _write(self, etag: str | None) -> None:
        """Write the lock object, valid for a whole lease from now."""
        sent = self._clock.now()
        expires = self._bucket.now() + timedelta(seconds=math.ceil(self._seconds) + 1)
        lock = Lock(self._holder, self.epoch, self.nonce, expires.strftime(_TIME))
        self._etag = self._bucket.put(self._key, codec.seal(codec.LOCK, lock), etag=etag)
        self._valid_until = sent + self._seconds * 5 / 6

    def _test_conditions(self) -> None:
        """Raise StoreError if the store ignores conditions: then every process would get every lock."""
        impossible = Lock(self._holder, self.epoch, "test", self._bucket.now().strftime(_TIME))
        for header, etag in (("If-None-Match", None), ("If-Match", _UNUSED_ETAG)):
            try:
                self._bucket.put(self._key, codec.seal(codec.LOCK, impossible), etag=etag)
            except PreconditionFailed:
                continue
            with suppress(StoreError):  # it has expired already, and blocks no one
                self._bucket.remove([self._key])
            raise StoreError(
                f"{self._bucket.uri(self._key)}: the store ignores {header}, so two runs could overwrite each other",
                hint="keep state in a store that honours conditional writes, as S3 does, or in local files",
            )

    def start_heartbeat(self, every: float) -> None:
        """Renew the lease every so many seconds from now on, in a thread of its own."""
        self._thread = threading.Thread(target=self._heartbeat, args=(every,), name="smplan-lease", daemon=True)
        self._thread.start()

    def _heartbeat(self, every: float) -> None:
        while not self._stopped.wait(every):
            try:
                self.renew()
            except StoreError as error:
                self._on_warning(f"the lock could not be renewed, retrying: {error}")

    def renew(self) -> None:
        """Extend the lease to its full length. Raises StoreError if that failed this time."""
        with self._mutex:
            if self._lost or self._stopped.is_set():
                return
            try:
                self._write(self._etag)
            except PreconditionFailed:
                self._renew_or_lose()

    def _renew_or_lose(self) -> None:
        """The lock object has changed: by a renewal of ours that arrived late, or by another process."""
        found = read(self._bucket, self._key)
        if found and found[1].nonce == self.nonce:
            self._write(found[0].etag)
        else:
            self.mark_lost(f"it is held by {found[1].holder} now" if found else "its object was deleted")

    def mark_lost(self, why: str) -> None:
        """The lease counts as lost from now on, because of ``why``."""
        self._lost = self._lost or why

    def check(self) -> None:
        """Raises Locked if the lease is lost, or expired and could not be renewed; Expired if the credentials are."""
        trouble = ""
        if not self._lost and self._clock.now() >= self._valid_until:
            try:
                self.renew()
            except Expired:
                raise
            except StoreError as error:
                trouble = f"it expired and could not be renewed: {error}"
        if self._lost or self._stopped.is_set() or trouble:
            raise Locked(
                f"the lock {self._bucket.uri(self._key)} was lost: {self._lost or trouble or 'it was released'}",
                hint="run the same command again; what was journaled is safe",
            )

    def release(self) -> None:
        """Release the lease if it is still held. Never raises: one that cannot be released expires."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        with self._mutex:
            if not self._lost:
                self._delete()
        if self._thread:
            self._thread.join()

    def _delete(self) -> None:
        try:
            try:
                self._bucket.delete(self._key, self._etag)
            except PreconditionFailed:
                found = read(self._bucket, self._key)
                if found and found[1].nonce == self.nonce:
                    self._bucket.delete(self._key, found[0].etag)
        except StoreError as error:
            self._on_warning(f"the lock could not be released and will expire: {error}")
