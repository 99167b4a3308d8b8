"""An append that seemed to fail and is repeated is written once, whether or not the first attempt was."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from smplan.core.state.journal import StepFailed
from smplan.errors import StoreError
from smplan.stores.files import Disk
from smplan.stores.interface import LockedState
from tests.stores.samples import (
    BEGAN,
    HOLDER,
    HandClock,
    LocalPlace,
    Place,
    S3Place,
    create,
    intent,
    saved,
)
from tests.support.s3_client import (
    CUT,
    LOST,
    Faults,
    Wire,
)


class BadDisk(Disk):
    """A disk on which one call fails: ``bad`` says which."""

    bad = ""

    def write(self, descriptor: int, data: bytes) -> int:
        if self.bad == "write":
            raise OSError(errno.EIO, "no")
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        if self.bad == "sync":
            raise OSError(errno.EIO, "no")


FailNext = Callable[[bool | None], None]


def failing(place: Place) -> tuple[LockedState, FailNext]:
    """A held lock, and how to let its next write fail: after it landed (True), or before; None lets writes be."""
    saved(place)
    if isinstance(place, LocalPlace):
        disk = BadDisk()
        held = place.store(disk=disk).lock(HOLDER)
        held.append([BEGAN])

        def fail(landed: bool | None) -> None:
            disk.bad = {True: "sync", False: "write", None: ""}[landed]

        return held, fail
    assert isinstance(place, S3Place)
    wire = Wire(place.client)
    held = place.store(client=wire, clock=HandClock()).lock(HOLDER)
    held.append([BEGAN])

    def cut(landed: bool | None) -> None:
        times = 0 if landed is None else 99
        wire.before = Faults(CUT, "get_object" if landed else "put_object", times)
        wire.after = Faults(LOST, times=times if landed else 0)

    return held, cut


def fail_to_append(held: LockedState, entries: list[Any], fail_next: FailNext, landed: bool) -> None:
    fail_next(landed)
    with pytest.raises(StoreError):
        held.append(entries)
    fail_next(None)


@pytest.mark.parametrize("landed", [True, False])
def test_a_repeated_append_is_written_once(place: Place, landed: bool) -> None:
    held, fail_next = failing(place)
    fail_to_append(held, create("a"), fail_next, landed)
    held.append(create("a"))
    held.append(create("b"))
    held.release()
    assert place.store().read().entries == (BEGAN, *create("a"), *create("b"))


@pytest.mark.parametrize("landed", [True, False])
def test_an_older_equal_batch_is_not_mistaken_for_the_repeated_one(place: Place, landed: bool) -> None:
    held, fail_next = failing(place)
    held.append([intent("a")])
    fail_to_append(held, [intent("a")], fail_next, landed)
    held.append([intent("a")])
    held.release()
    assert place.store().read().entries == (BEGAN, intent("a"), intent("a"))


def test_a_different_batch_after_a_lost_response_is_written(place: Place) -> None:
    held, fail_next = failing(place)
    held.append([intent("a")])
    failed = StepFailed("s-a", "no", "")
    fail_to_append(held, [failed], fail_next, True)
    held.append([intent("b")])
    held.append([failed])
    held.release()
    assert place.store().read().entries == (BEGAN, intent("a"), failed, intent("b"), failed)


def test_replaying_between_two_attempts_changes_nothing(place: Place) -> None:
    held, fail_next = failing(place)
    fail_to_append(held, create("a"), fail_next, True)
    assert set(held.folded().state.resources) == {"a"}
    held.append(create("a"))
    held.release()
    assert place.store().read().entries == (BEGAN, *create("a"))


def test_a_batch_that_fails_again_and_again_is_there_once(place: Place) -> None:
    held, fail_next = failing(place)
    for landed in (False, False, True):
        fail_to_append(held, create("a"), fail_next, landed)
    held.append(create("a"))
    held.release()
    assert place.store().read().entries == (BEGAN, *create("a"))
