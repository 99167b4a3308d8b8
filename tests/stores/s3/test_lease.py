from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from smplan.errors import Locked, StoreError
from smplan.stores import codec
from smplan.stores.interface import LockHolder
from smplan.stores.s3.bucket import Bucket
from smplan.stores.s3.errors import Expired
from smplan.stores.s3.lease import Lease, Lock, decode
from tests.stores.samples import (
    HOLDER,
    OTHER,
    HandClock,
    S3Place,
    forged,
    until,
)
from tests.support.s3_client import (
    CUT,
    EXPIRED,
    LOST,
    Faults,
    Wire,
)

LOCK = Lock(HOLDER, 3, "n", "2026-11-23T03:00:05Z")
SEALED = codec.seal(codec.LOCK, LOCK)


@dataclass
class Scene:
    """Several machines, each with its own clock, before one server with its own."""

    place: S3Place
    server: HandClock = field(default_factory=HandClock)
    words: list[str] = field(default_factory=list)

    def machine(self) -> tuple[Wire, HandClock]:
        return Wire(self.place.client, self.server), HandClock()

    def lease(self, holder: LockHolder = HOLDER, wire: Wire | None = None, clock: HandClock | None = None) -> Lease:
        clock = clock or HandClock()
        client: Any = wire or Wire(self.place.client, self.server)
        bucket = Bucket(client, self.place.bucket, kms_key_id=None, clock=clock)
        return Lease(bucket, "lock", holder, seconds=60, clock=clock, on_warning=self.words.append)

    def lock(self) -> Lock:
        return decode(self.place.files()["lock"], "lock")


@pytest.fixture
def scene(s3_place: S3Place) -> Scene:
    return Scene(s3_place)


def test_a_lock_survives_the_round_trip() -> None:
    assert decode(SEALED, "it") == LOCK


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        SEALED[:-9],
        codec.seal(codec.LOCK, replace(LOCK, expires="soon")),
        forged(SEALED, lambda document: document["holder"].pop("who")),
        forged(SEALED, lambda document: document.pop("nonce")),
    ],
)
def test_a_lock_that_smplan_did_not_write_is_rejected_with_a_hint(scene: Scene, body: bytes) -> None:
    scene.place.put("lock", body)
    with pytest.raises(StoreError, match=r"s3://.*/lock is damaged") as caught:
        scene.lease()
    assert "delete it" in caught.value.hint


def test_a_lease_is_valid_for_its_length_by_the_servers_clock(scene: Scene) -> None:
    scene.lease()
    first = scene.lock()
    assert (first.holder, first.epoch) == (HOLDER, 1)
    scene.server.time += 59
    with pytest.raises(Locked, match="held by ann@ci pid 7") as caught:
        scene.lease(OTHER)
    assert f"expires at {first.expires_at:%H:%M:%S} UTC" in caught.value.hint


def test_an_expired_lease_is_taken_over_in_the_next_epoch(scene: Scene) -> None:
    scene.lease()
    scene.server.time += 70
    scene.lease(OTHER)
    assert (scene.lock().holder, scene.lock().epoch) == (OTHER, 2)


def test_a_renewal_extends_the_lease(scene: Scene) -> None:
    clock = HandClock()
    lease = scene.lease(clock=clock)
    for _ in range(3):
        scene.server.time += 40
        clock.time += 40
        lease.renew()
    with pytest.raises(Locked):
        scene.lease(OTHER)
    lease.check()


def test_a_suspended_holder_renews_before_anything_else(scene: Scene) -> None:
    wire, clock = scene.machine()
    lease = scene.lease(wire=wire, clock=clock)
    wire.calls.clear()
    clock.time += 49
    lease.check()
    assert wire.calls == []
    clock.time += 2
    lease.check()
    assert wire.calls == ["put_object"]


def test_a_holder_suspended_during_a_takeover_has_lost_the_lock_for_good(scene: Scene) -> None:
    wire, clock = scene.machine()
    lease = scene.lease(wire=wire, clock=clock)
    scene.server.time += 70
    clock.time += 70
    other = scene.lease(OTHER)
    with pytest.raises(Locked, match=r"was lost: it is held by bob@desk pid 8"):
        lease.check()
    wire.calls.clear()
    with pytest.raises(Locked):
        lease.check()
    lease.renew()
    lease.release()
    assert wire.calls == []
    other.check()
    assert scene.lock().holder == OTHER


def test_a_holder_whose_lock_was_deleted_has_lost_it(scene: Scene) -> None:
    lease = scene.lease()
    scene.place.remove("lock")
    lease.renew()
    with pytest.raises(Locked, match="its object was deleted"):
        lease.check()


def test_a_holder_that_cannot_renew_in_time_stops(scene: Scene) -> None:
    wire, clock = scene.machine()
    lease = scene.lease(wire=wire, clock=clock)
    clock.time += 55
    wire.before = Faults(CUT, times=4)
    with pytest.raises(Locked, match="expired and could not be renewed"):
        lease.check()
    lease.check()


def test_expired_credentials_are_not_mistaken_for_a_lost_lock(scene: Scene) -> None:
    wire, clock = scene.machine()
    lease = scene.lease(wire=wire, clock=clock)
    clock.time += 55
    wire.before = Faults(EXPIRED, times=4)
    with pytest.raises(Expired):
        lease.check()


def test_a_renewal_that_arrived_late_is_recognized(scene: Scene) -> None:
    lease = scene.lease()
    scene.place.put("lock", codec.seal(codec.LOCK, replace(scene.lock(), expires=LOCK.expires)))
    lease.renew()
    lease.check()
    assert scene.lock().expires > LOCK.expires
    scene.place.put("lock", codec.seal(codec.LOCK, replace(scene.lock(), expires=LOCK.expires)))
    lease.release()
    assert scene.place.files() == {}


def test_a_renewal_whose_response_was_lost_counts(scene: Scene) -> None:
    wire, clock = scene.machine()
    lease = scene.lease(wire=wire, clock=clock)
    clock.time += 55
    wire.after = Faults(LOST)
    lease.check()
    lease.release()
    assert scene.place.files() == {}


def test_a_released_lease_is_neither_renewed_nor_released_again(scene: Scene) -> None:
    wire, clock = scene.machine()
    lease = scene.lease(wire=wire, clock=clock)
    lease.release()
    wire.calls.clear()
    lease.release()
    lease.renew()
    assert wire.calls == []
    with pytest.raises(Locked, match="it was released"):
        lease.check()


def test_a_release_leaves_the_lock_of_another_holder(scene: Scene) -> None:
    lease = scene.lease()
    scene.server.time += 70
    scene.lease(OTHER)
    lease.release()
    assert scene.lock().holder == OTHER


def test_a_release_without_a_lock_object_succeeds(scene: Scene) -> None:
    lease = scene.lease()
    scene.place.remove("lock")
    lease.release()
    assert scene.words == []


def test_a_failed_release_is_reported(scene: Scene) -> None:
    wire, clock = scene.machine()
    lease = scene.lease(wire=wire, clock=clock)
    wire.before = Faults(CUT, "delete_object", 99)
    lease.release()
    assert "will expire" in scene.words[0]


def test_the_lease_is_renewed_until_the_release(scene: Scene) -> None:
    lease = scene.lease()
    before = scene.place.files()["lock"]
    scene.server.time += 10
    lease.start_heartbeat(0.02)
    until(lambda: scene.place.files()["lock"] != before)
    lease.release()
    assert scene.place.files() == {}


def test_a_failed_renewal_is_reported_and_retried(scene: Scene) -> None:
    wire, clock = scene.machine()
    lease = scene.lease(wire=wire, clock=clock)
    fault = Faults(CUT, times=8)

    def meddle(name: str, arguments: dict[str, Any]) -> None:
        scene.server.time += 1
        fault(name)

    wire.before = meddle
    clock.time += 5
    lease.start_heartbeat(0.02)
    until(lambda: len(scene.words) == 2)
    assert "retrying" in scene.words[0]
    lease.release()
    assert scene.place.files() == {}


@pytest.mark.parametrize(("argument", "header"), [("IfNoneMatch", "If-None-Match"), ("IfMatch", "If-Match")])
def test_a_store_that_ignores_conditions_is_rejected(scene: Scene, argument: str, header: str) -> None:
    wire, clock = scene.machine()

    def ignore(name: str, arguments: dict[str, Any]) -> None:
        arguments.pop(argument, None)

    wire.before = ignore
    with pytest.raises(
        StoreError, match=f"the store ignores {header}, so two runs could overwrite each other"
    ) as caught:
        scene.lease(wire=wire, clock=clock)
    assert "conditional writes" in caught.value.hint
    assert scene.place.files() == {}


def test_a_store_that_contradicts_itself_is_rejected(scene: Scene) -> None:
    wire, clock = scene.machine()
    response: Any = {"Error": {"Code": "PreconditionFailed"}, "ResponseMetadata": {"HTTPHeaders": {}}}
    refusal = ClientError(response, "PutObject")
    wire.before = Faults(refusal, times=99)
    with pytest.raises(StoreError, match="reports that it exists, and that it does not"):
        scene.lease(wire=wire, clock=clock)


def test_a_failed_test_of_conditions_releases_the_lock(scene: Scene) -> None:
    wire, clock = scene.machine()
    fault = Faults(CUT, times=0)
    wire.before = fault

    def after(name: str, arguments: dict[str, Any], answer: Any) -> None:
        fault.times = 4 if name == "put_object" else fault.times

    wire.after = after
    with pytest.raises(StoreError, match="got no response"):
        scene.lease(wire=wire, clock=clock)
    assert scene.place.files() == {}
