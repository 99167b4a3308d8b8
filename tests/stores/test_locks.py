"""Who holds a lock, testing it, and breaking the lock of a process that is gone."""

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


def test_a_free_lock_has_no_info(place: Place) -> None:
    assert place.store().lock_info() is None
    place.store().lock(HOLDER).release()
    assert place.store().lock_info() is None


def test_the_info_of_a_local_lock_is_its_holder(local_place: LocalPlace) -> None:
    with local_place.store().lock(HOLDER):
        assert local_place.store().lock_info() == LockInfo(HOLDER)


def test_the_info_of_a_lock_in_s3_has_its_expiry_and_epoch(s3_place: S3Place) -> None:
    server = HandClock()
    first = s3_place.store(client=Wire(s3_place.client, server), clock=HandClock())
    first.lock(HOLDER)
    server.time += 120
    left = first.lock_info()
    assert left is not None
    assert (left.expired, left.holder, left.epoch) == (True, HOLDER, 1)
    assert first.holder() is None
    s3_place.store(client=Wire(s3_place.client, server), clock=HandClock()).lock(OTHER)
    taken = first.lock_info()
    assert taken is not None
    assert (taken.expired, taken.holder, taken.epoch) == (False, OTHER, 2)
    assert taken.until == "2026-11-23T03:19:41+00:00"


def test_a_local_lock_cannot_be_broken(local_place: LocalPlace) -> None:
    with local_place.store().lock(HOLDER) as held:
        info = local_place.store().lock_info()
        assert info is not None
        with pytest.raises(GuardRefused, match="ann@ci pid 7") as caught:
            local_place.store().break_lock(info, OTHER)
        assert "end that process" in caught.value.hint
        held.check()


def test_the_holder_of_a_broken_lock_cannot_write_once_it_is_taken_again(s3_place: S3Place) -> None:
    saved(s3_place)
    held = s3_place.store().lock(HOLDER)
    held.append([BEGAN])
    info = s3_place.store().lock_info()
    assert info is not None
    s3_place.store().break_lock(info, OTHER)
    with s3_place.store().lock(OTHER) as other:
        with pytest.raises(Locked, match="was lost"):
            held.append(create("a"))
        other.append(create("b"))
    held.release()
    folded = s3_place.store().read().folded
    assert folded is not None
    assert set(folded.state.resources) == {"b"}


def test_the_holder_of_a_broken_lock_cannot_write_even_if_it_is_free(s3_place: S3Place) -> None:
    saved(s3_place)
    held = s3_place.store().lock(HOLDER)
    info = s3_place.store().lock_info()
    assert info is not None
    s3_place.store().break_lock(info, OTHER)
    assert s3_place.store().holder() is None
    with pytest.raises(Locked, match="was lost"):
        held.append([BEGAN])
    held.release()
    assert s3_place.store().read().entries == ()


@pytest.mark.parametrize("write", ["append", "save"])
def test_the_holder_of_a_broken_lock_cannot_write_after_another_has_saved(s3_place: S3Place, write: str) -> None:
    kept_before = saved(s3_place)
    held = s3_place.store().lock(HOLDER)
    held.append([BEGAN])
    kept = held.folded().state
    info = s3_place.store().lock_info()
    assert info is not None
    s3_place.store().break_lock(info, OTHER)
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
def test_a_former_holder_does_not_regain_the_lock_by_rereading_after_an_error(s3_place: S3Place, write: str) -> None:
    saved(s3_place)
    wire = Wire(s3_place.client)
    held = s3_place.store(client=wire, clock=HandClock()).lock(HOLDER)
    held.append([BEGAN])
    wire.before = Faults(CUT, times=99)
    with pytest.raises(StoreError):
        held.append(create("a"))
    wire.before = lambda *_: None
    info = s3_place.store().lock_info()
    assert info is not None
    s3_place.store().break_lock(info, OTHER)
    with s3_place.store().lock(OTHER), pytest.raises(Locked, match="was lost"):
        held.append(create("a")) if write == "append" else held.save(state("a", serial=1))
    held.release()
    assert s3_place.store().read().entries == (BEGAN,)


def test_a_lock_that_changed_since_it_was_shown_is_not_broken(s3_place: S3Place) -> None:
    held = s3_place.store().lock(HOLDER)
    info = s3_place.store().lock_info()
    assert info is not None
    held.release()
    with s3_place.store().lock(OTHER) as other:
        with pytest.raises(GuardRefused, match="has changed since it was shown"):
            s3_place.store().break_lock(info, OTHER)
        other.check()
        assert s3_place.store().holder() == OTHER


def test_breaking_a_lock_that_is_gone_succeeds(s3_place: S3Place) -> None:
    held = s3_place.store().lock(HOLDER)
    info = s3_place.store().lock_info()
    held.release()
    assert info is not None
    s3_place.store().break_lock(info, OTHER)
    assert s3_place.store().lock_info() is None


def test_testing_the_lock_changes_nothing(place: Place) -> None:
    saved(place, "a")
    before = place.files()
    place.store().test_lock(OTHER)
    assert place.files() == before
    assert place.store().lock_info() is None


def test_testing_a_lock_that_is_held_names_the_holder(place: Place) -> None:
    with place.store().lock(HOLDER), pytest.raises(Locked, match="ann@ci pid 7"):
        place.store().test_lock(OTHER)


def test_a_store_that_ignores_conditions_is_rejected_even_if_cleanup_fails(s3_place: S3Place) -> None:
    server = HandClock()
    wire = Wire(s3_place.client, server)
    cut = Faults(CUT, "delete_objects", 99)

    def ignore(name: str, arguments: dict[str, Any]) -> None:
        arguments.pop("IfNoneMatch", None)
        cut(name)

    wire.before = ignore
    with pytest.raises(StoreError, match="the store ignores If-None-Match"):
        s3_place.store(client=wire, clock=HandClock()).test_lock(HOLDER)
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
