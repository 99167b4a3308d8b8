"""An append that seemed to fail, repeated: done once, whatever became of the first try."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from smplan.core.state.journal import StepFailed
from smplan.errors import StoreError
from smplan.stores.files import Disk
from smplan.stores.locked import LockedState
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


Trouble = Callable[[bool | None], None]


def troubled(place: Place) -> tuple[LockedState, Trouble]:
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


def fail_to_append(held: LockedState, entries: list[Any], trouble: Trouble, landed: bool) -> None:
    trouble(landed)
    with pytest.raises(StoreError):
        held.append(entries)
    trouble(None)


@pytest.mark.parametrize("landed", [True, False])
def test_it_is_there_once(place: Place, landed: bool) -> None:
    held, trouble = troubled(place)
    fail_to_append(held, create("a"), trouble, landed)
    held.append(create("a"))
    held.append(create("b"))
    held.release()
    assert place.store().read().entries == (BEGAN, *create("a"), *create("b"))


@pytest.mark.parametrize("landed", [True, False])
def test_an_equal_batch_that_is_older_is_not_taken_for_it(place: Place, landed: bool) -> None:
    held, trouble = troubled(place)
    held.append([intent("a")])
    fail_to_append(held, [intent("a")], trouble, landed)
    held.append([intent("a")])
    held.release()
    assert place.store().read().entries == (BEGAN, intent("a"), intent("a"))


def test_another_batch_after_one_that_landed_is_written(place: Place) -> None:
    held, trouble = troubled(place)
    held.append([intent("a")])
    failed = StepFailed("s-a", "no", "")
    fail_to_append(held, [failed], trouble, True)
    held.append([intent("b")])
    held.append([failed])
    held.release()
    assert place.store().read().entries == (BEGAN, intent("a"), failed, intent("b"), failed)


def test_looking_at_the_fold_in_between_changes_nothing(place: Place) -> None:
    held, trouble = troubled(place)
    fail_to_append(held, create("a"), trouble, True)
    assert set(held.folded().state.resources) == {"a"}
    held.append(create("a"))
    held.release()
    assert place.store().read().entries == (BEGAN, *create("a"))


def test_a_batch_that_fails_again_and_again_is_there_once(place: Place) -> None:
    held, trouble = troubled(place)
    for landed in (False, False, True):
        fail_to_append(held, create("a"), trouble, landed)
    held.append(create("a"))
    held.release()
    assert place.store().read().entries == (BEGAN, *create("a"))
