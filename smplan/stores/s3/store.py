"""The store in S3: locked by a lease, and every former holder fenced off before the next one writes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from smplan.core.values import Json
from smplan.errors import GuardRefused, Locked
from smplan.stores import codec
from smplan.stores.interface import Clock, LockedState, LockHolder, LockInfo, Snapshot, Store, ignore
from smplan.stores.s3.bucket import Bucket
from smplan.stores.s3.errors import PreconditionFailed
from smplan.stores.s3.lease import Lease
from smplan.stores.s3.lease import read as read_lock
from smplan.stores.s3.locked import S3LockedState
from smplan.stores.s3.objects import Loaded, StateObjects
from smplan.stores.s3.policy import policy

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

LEASE_SECONDS = 60
RENEW_SECONDS = 20
_FENCE_ATTEMPTS = 10


class S3Store(Store):
    """The state at ``s3://bucket/key``. ``client`` must time out sooner than a lease (see ``connect``)."""

    def __init__(
        self,
        bucket: str,
        key: str,
        *,
        client: S3Client,
        kms_key_id: str | None = None,
        on_warning: Callable[[str], None] = ignore,
        clock: Clock | None = None,
        lease_seconds: float = LEASE_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        super().__init__(on_warning=on_warning, clock=clock)
        self.bucket = Bucket(client, bucket, kms_key_id=kms_key_id, clock=self.clock, on_warning=self.on_warning)
        self.objects = StateObjects(self.bucket, key)
        self.location = self.objects.location
        self._lease_seconds = lease_seconds
        self._renew_seconds = renew_seconds

    def read_unchecked(self) -> Snapshot:
        """What is stored now; a concurrent save is seen as a whole or not at all."""
        return self.objects.load().snapshot

    def document(self, serial: int | None = None) -> bytes | None:
        """The bytes of the state object, or of one in the history."""
        return self.objects.document(serial)

    def history(self) -> list[int]:
        """The serials in the history, newest first."""
        return self.objects.history()

    def residue(self) -> list[str]:
        """The batches of any journal, and the earlier states."""
        objects = self.objects
        keys = [*self.bucket.keys(objects.journals), *map(objects.version_key, objects.history())]
        return [self.bucket.uri(key) for key in keys]

    def policy(self) -> dict[str, Json]:
        """A bucket policy that refuses unconditional writes of this state."""
        return policy(self.bucket.name, self.objects.key, self.bucket.partition)

    def lock_info(self) -> LockInfo | None:
        """The lock now; a lease that has expired is held by no one."""
        found = read_lock(self.bucket, self.objects.lock_key)
        if found is None:
            return None
        object, lock = found
        expires = lock.expires_at
        return LockInfo(lock.holder, expires.isoformat(), lock.epoch, expires < object.date, object.etag)

    def break_lock(self, info: LockInfo, holder: LockHolder) -> None:
        """Delete the lock object; then take and release the lock, which fences its former holder off (``_fence``)."""
        try:
            self.bucket.delete(self.objects.lock_key, info.etag)
        except PreconditionFailed as error:
            raise GuardRefused(
                f"the lock on {self.location} has changed since it was shown: it was renewed or taken, "
                "so its holder is running",
                hint="run `smplan lock show` to see the holder; break the lock again only if it should not be running",
            ) from error
        with suppress(Locked):  # another process took it at once, and fenced the former holder off
            self.lock(holder).release()

    def test_lock(self, holder: LockHolder) -> None:
        """Take and release the lease, which tests that the store honors conditions."""
        self._lease(holder).release()

    def _lease(self, holder: LockHolder) -> Lease:
        lock_key = self.objects.lock_key
        return Lease(
            self.bucket, lock_key, holder, seconds=self._lease_seconds, clock=self.clock, on_warning=self.on_warning
        )

    def _acquire(self, holder: LockHolder) -> LockedState:
        lease = self._lease(holder)
        lease.start_heartbeat(self._renew_seconds)
        try:
            return S3LockedState(self.objects, lease, self._fence(lease), self.on_warning)
        except BaseException:
            lease.release()
            raise

    def _fence(self, lease: Lease) -> Loaded:
        """Shut out every former holder, then read.

        One that was suspended and resumes still trusts its lease. Its save fails, because the state object has another
        ETag now; its next batch fails, because the number is taken. What it wrote before that is read here.
        Where a move left a marker nothing is written: the move replaces the marker by its ETag.
        """
        objects = self.objects
        for _ in range(_FENCE_ATTEMPTS):
            found = objects.load()
            state = found.snapshot.stored
            if state is None or found.snapshot.marker:
                return found
            with suppress(PreconditionFailed):
                pending_creates, saved = found.snapshot.pending_creates, found.snapshot.saved
                marked = codec.encode_state(state, pending_creates, writer=lease.nonce, saved=saved)
                etag = self.bucket.put(objects.key, marked, etag=found.etag)
                number = found.next_batch
                self.bucket.put(objects.batch_key(state, number), objects.encode_batch(state, number, ()), etag=None)
                return Loaded(found.snapshot, etag, number + 1)
        raise Locked(
            f"{self.location} is written by a process that does not hold its lock",
            hint="find and stop that process, then run the same command again",
        )
