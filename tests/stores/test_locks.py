"""Who holds a lock, trying it, and taking it from somebody who is gone."""

from __future__ import annotations

from typing import Any

import pytest

from smplan.errors import GuardRefused, Locked, StoreError
from smplan.stores import codec
from smplan.stores.interface import LockInfo
from tests.stores.samples import (
    BEGAN,
    HOLDER,
    OTHER,
    HandClock,
    LocalPlace,
    Place,
    S3Place,
    create,
    saved,
    state,
)
from tests.support.s3_client import (
    CUT,
    Faults,
    Wire,
)


def test_a_free_lock_has_no_grip(place: Place) -> None:
    assert place.store().grip() is None
    place.store().lock(HOLDER).release()
    assert place.store().grip() is None


def test_a_local_grip_is_its_holder(local_place: LocalPlace) -> None:
    with local_place.store().lock(HOLDER):
        assert local_place.store().grip() == LockInfo(HOLDER)


def test_a_grip_in_s3_says_until_when_and_how_often_it_was_taken_over(s3_place: S3Place) -> None:
    server = HandClock()
    first = s3_place.store(client=Wire(s3_place.client, server), clock=HandClock())
    first.lock(HOLDER)
    server.time += 120
    left = first.grip()
    assert left is not None
    assert (left.over, left.holder, left.epoch) == (True, HOLDER, 1)
    assert first.holder() is None
    s3_place.store(client=Wire(s3_place.client, server), clock=HandClock()).lock(OTHER)
    taken = first.grip()
    assert taken is not None
    assert (taken.over, taken.holder, taken.epoch) == (False, OTHER, 2)
    assert taken.until == "2026-11-23T03:19:41+00:00"


def test_a_local_lock_is_not_broken_but_its_process_is_named(local_place: LocalPlace) -> None:
    with local_place.store().lock(HOLDER) as held:
        grip = local_place.store().grip()
        assert grip is not None
        with pytest.raises(GuardRefused, match="ann@ci pid 7") as caught:
            local_place.store().break_lock(grip, OTHER)
        assert "end that process" in caught.value.hint
        held.check()


def test_whoever_held_a_broken_lock_cannot_write_once_it_is_taken_anew(s3_place: S3Place) -> None:
    saved(s3_place)
    held = s3_place.store().lock(HOLDER)
    held.append([BEGAN])
    grip = s3_place.store().grip()
    assert grip is not None
    s3_place.store().break_lock(grip, OTHER)
    with s3_place.store().lock(OTHER) as other:
        with pytest.raises(Locked, match="was lost"):
            held.append(create("a"))
        other.append(create("b"))
    held.release()
    folded = s3_place.store().read().folded
    assert folded is not None
    assert set(folded.state.resources) == {"b"}


def test_whoever_held_a_broken_lock_cannot_write_although_nobody_took_it_since(s3_place: S3Place) -> None:
    saved(s3_place)
    held = s3_place.store().lock(HOLDER)
    grip = s3_place.store().grip()
    assert grip is not None
    s3_place.store().break_lock(grip, OTHER)
    assert s3_place.store().holder() is None
    with pytest.raises(Locked, match="was lost"):
        held.append([BEGAN])
    held.release()
    assert s3_place.store().read().entries == ()


@pytest.mark.parametrize("write", ["append", "save"])
def test_whoever_held_a_broken_lock_cannot_write_after_another_has_saved_either(s3_place: S3Place, write: str) -> None:
    kept_before = saved(s3_place)
    held = s3_place.store().lock(HOLDER)
    held.append([BEGAN])
    kept = held.folded().state
    grip = s3_place.store().grip()
    assert grip is not None
    s3_place.store().break_lock(grip, OTHER)
    with s3_place.store().lock(OTHER) as other:
        other.append(create("b"))
        other.save(other.folded().state)  # sweeps the batch that shut the former holder out
    with pytest.raises(Locked, match="was lost"):
        held.append(create("a")) if write == "append" else held.save(kept)
    with pytest.raises(Locked, match="was lost"):
        held.check()
    held.release()
    found = s3_place.store().read()
    assert found.stored is not None
    assert (set(found.stored.resources), found.entries) == ({"b"}, ())
    document = s3_place.store().document(1)
    assert document is not None
    assert codec.decode_state(document, "it").state == kept_before


@pytest.mark.parametrize("write", ["append", "save"])
def test_a_former_holder_does_not_come_in_again_by_reading_after_a_fault(s3_place: S3Place, write: str) -> None:
    saved(s3_place)
    wire = Wire(s3_place.client)
    held = s3_place.store(client=wire, clock=HandClock()).lock(HOLDER)
    held.append([BEGAN])
    wire.before = Faults(CUT, times=99)
    with pytest.raises(StoreError):
        held.append(create("a"))
    wire.before = lambda *_: None
    grip = s3_place.store().grip()
    assert grip is not None
    s3_place.store().break_lock(grip, OTHER)
    with s3_place.store().lock(OTHER), pytest.raises(Locked, match="was lost"):
        held.append(create("a")) if write == "append" else held.save(state("a", serial=1))
    held.release()
    assert s3_place.store().read().entries == (BEGAN,)


def test_a_lock_that_changed_since_it_was_shown_is_not_broken(s3_place: S3Place) -> None:
    held = s3_place.store().lock(HOLDER)
    grip = s3_place.store().grip()
    assert grip is not None
    held.release()
    with s3_place.store().lock(OTHER) as other:
        with pytest.raises(GuardRefused, match="has changed since it was shown"):
            s3_place.store().break_lock(grip, OTHER)
        other.check()
        assert s3_place.store().holder() == OTHER


def test_breaking_a_lock_that_is_gone_is_content(s3_place: S3Place) -> None:
    held = s3_place.store().lock(HOLDER)
    grip = s3_place.store().grip()
    held.release()
    assert grip is not None
    s3_place.store().break_lock(grip, OTHER)
    assert s3_place.store().grip() is None


def test_a_probe_takes_the_lock_and_leaves_everything_as_it_was(place: Place) -> None:
    saved(place, "a")
    before = place.files()
    place.store().probe(OTHER)
    assert place.files() == before
    assert place.store().grip() is None


def test_a_probe_is_told_who_has_the_lock(place: Place) -> None:
    with place.store().lock(HOLDER), pytest.raises(Locked, match="ann@ci pid 7"):
        place.store().probe(OTHER)


def test_a_careless_store_that_cannot_remove_either_is_named_for_what_it_ignores(s3_place: S3Place) -> None:
    server = HandClock()
    wire = Wire(s3_place.client, server)
    cut = Faults(CUT, "delete_objects", 99)

    def ignore(name: str, arguments: dict[str, Any]) -> None:
        arguments.pop("IfNoneMatch", None)
        cut(name)

    wire.before = ignore
    with pytest.raises(StoreError, match="the store ignores If-None-Match"):
        s3_place.store(client=wire, clock=HandClock()).probe(HOLDER)
    server.time += 2  # what is left behind has run out
    assert s3_place.store(client=Wire(s3_place.client, server)).holder() is None


def test_versioning_and_encryption_are_as_the_bucket_has_them(s3_place: S3Place) -> None:
    bucket = s3_place.store().bucket
    assert bucket.versioned() is False
    s3_place.client.put_bucket_versioning(Bucket=s3_place.bucket, VersioningConfiguration={"Status": "Enabled"})
    assert bucket.versioned() is True
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    s3_place.client.put_bucket_encryption(Bucket=s3_place.bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert bucket.encryption() == "aws:kms"
