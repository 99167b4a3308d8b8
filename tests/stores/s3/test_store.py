from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from smplan.errors import Locked, StoreError
from smplan.stores.s3 import S3Store
from tests.stores.samples import (
    BEGAN,
    HOLDER,
    OTHER,
    HandClock,
    S3Place,
    create,
    intent,
    saved,
    state,
)
from tests.support.s3_client import (
    CUT,
    LOST,
    Faults,
    Wire,
)


def machine(place: S3Place, server: HandClock) -> tuple[S3Store, Wire, HandClock]:
    """A store on a machine of its own: its wire, and its clock."""
    wire, clock = Wire(place.client, server), HandClock()
    return place.store(client=wire, clock=clock), wire, clock


def batches(place: S3Place) -> list[str]:
    return [name for name in place.files() if ".journal/" in name]


def test_batches_are_numbered_objects_under_the_serial_they_build_on(s3_place: S3Place) -> None:
    saved(s3_place)
    with s3_place.store().lock(HOLDER) as held:
        held.append([BEGAN])
        held.append(create("a"))
    assert batches(s3_place) == [f"fleet.journal/1/0000000{number}.json" for number in (1, 2, 3)]


@pytest.mark.parametrize("awake", [True, False], ids=["knows the time", "believes in its lease"])
@pytest.mark.parametrize("write", ["append", "save"])
def test_a_holder_that_was_stopped_while_another_took_over_cannot_write(
    s3_place: S3Place, write: str, awake: bool
) -> None:
    saved(s3_place)
    server = HandClock()
    store, wire, clock = machine(s3_place, server)
    stopped = store.lock(HOLDER)
    stopped.append([BEGAN])
    server.time += 120
    if awake:
        clock.time += 120
    with machine(s3_place, server)[0].lock(OTHER) as held:
        wire.calls.clear()
        writes: dict[str, Callable[[], object]] = {
            "append": lambda: stopped.append(create("a")),
            "save": lambda: stopped.save(state(serial=1)),
        }
        with pytest.raises(Locked, match="was lost"):
            writes[write]()
        assert "delete_objects" not in wire.calls
        with pytest.raises(Locked, match="was lost"):
            stopped.check()
        held.append(create("b"))
        assert set(held.folded().state.resources) == {"b"}
        stopped.release()
        held.check()
    folded = s3_place.store().read().folded
    assert folded is not None
    assert set(folded.state.resources) == {"b"}


@pytest.mark.parametrize("write", ["append", "save"])
def test_what_a_stopped_holder_wrote_just_before_it_was_fenced_is_read(s3_place: S3Place, write: str) -> None:
    saved(s3_place)
    server = HandClock()
    stopped = machine(s3_place, server)[0].lock(HOLDER)
    stopped.append([BEGAN])
    server.time += 120
    store, wire, _ = machine(s3_place, server)
    done: list[str] = []

    def meddle(name: str, arguments: dict[str, Any]) -> None:
        if name == "put_object" and arguments["Key"] == "fleet" and not done:
            done.append(write)
            if write == "append":
                stopped.append(create("a"))
            else:
                stopped.save(state("a", serial=1))

    wire.before = meddle
    with store.lock(OTHER) as held:
        assert set(held.folded().state.resources) == {"a"}
        assert held.folded().state.serial == (1 if write == "append" else 2)
    stopped.release()


def test_a_writer_without_the_lock_is_reported(s3_place: S3Place) -> None:
    saved(s3_place)
    wire = Wire(s3_place.client)

    def meddle(name: str, arguments: dict[str, Any]) -> None:
        if name == "put_object" and ".journal/" in arguments["Key"]:
            s3_place.put(
                arguments["Key"],
                s3_place.store().objects.encode_batch(state(serial=1), int(arguments["Key"][-13:-5]), ()),
            )

    wire.before = meddle
    with pytest.raises(Locked, match="written by a process that does not hold its lock"):
        s3_place.store(client=wire, clock=HandClock()).lock(HOLDER)
    assert s3_place.store().holder() is None


def test_an_append_that_ends_after_the_lease_expired_fails(s3_place: S3Place) -> None:
    saved(s3_place)
    server = HandClock()
    store, wire, clock = machine(s3_place, server)
    held = store.lock(HOLDER)

    def delay(name: str, arguments: dict[str, Any], answer: Any) -> None:
        if name == "put_object" and ".journal/" in arguments["Key"]:
            server.time += 120
            clock.time += 120
            machine(s3_place, server)[0].lock(OTHER)

    wire.after = delay
    with pytest.raises(Locked, match="held by bob"):
        held.append([BEGAN])


def test_a_batch_whose_response_was_lost_is_written_once(s3_place: S3Place) -> None:
    saved(s3_place)
    store, wire, _ = machine(s3_place, HandClock())
    with store.lock(HOLDER) as held:
        wire.after = Faults(LOST)
        held.append([BEGAN])
        held.append(create("a"))
    assert s3_place.store().read().entries == (BEGAN, *create("a"))


@pytest.mark.parametrize("arrived", [True, False])
def test_an_ambiguous_append_may_be_repeated(s3_place: S3Place, arrived: bool) -> None:
    saved(s3_place)
    store, wire, _ = machine(s3_place, HandClock())
    with store.lock(HOLDER) as held:
        held.append([BEGAN])
        wire.before = Faults(CUT, "get_object" if arrived else "put_object", 99)
        wire.after = Faults(LOST, times=99)
        with pytest.raises(StoreError, match="got no response"):
            held.append(create("a"))
        wire.clear_faults()
        held.append(create("a"))
        held.append([intent("b")])
    assert s3_place.store().read().entries == (BEGAN, *create("a"), intent("b"))


@pytest.mark.parametrize("arrived", [True, False])
def test_an_ambiguous_save_may_be_repeated(s3_place: S3Place, arrived: bool) -> None:
    saved(s3_place)
    store, wire, _ = machine(s3_place, HandClock())
    with store.lock(HOLDER) as held:
        held.append([BEGAN, *create("a"), intent("b")])
        kept = held.folded().state
        wire.before = Faults(CUT, "get_object" if arrived else "put_object", 99)
        wire.after = Faults(LOST, times=99)
        with pytest.raises(StoreError, match="got no response"):
            held.save(kept)
        wire.clear_faults()
        assert held.save(kept).serial == 2
    found = s3_place.store().read()
    assert found.stored is not None
    assert (found.stored.serial, set(found.stored.resources)) == (2, {"a"})
    assert found.entries == (intent("b"),)


def test_a_save_succeeds_even_if_old_batches_cannot_be_removed(s3_place: S3Place) -> None:
    saved(s3_place)
    store, wire, _ = machine(s3_place, HandClock())
    with store.lock(HOLDER) as held:
        held.append([BEGAN])
        wire.before = Faults(CUT, "delete_objects", 99)
        held.save(held.folded().state)
        assert len(batches(s3_place)) == 2
        assert s3_place.store().read().entries == ()
        wire.before = lambda *_: None
        held.save(held.folded().state)
    assert batches(s3_place) == []


def test_a_missing_batch_is_refused(s3_place: S3Place) -> None:
    saved(s3_place)
    with s3_place.store().lock(HOLDER) as held:
        held.append([BEGAN])
        held.append(create("a"))
    s3_place.remove("fleet.journal/1/00000002.json")
    with pytest.raises(StoreError, match=r"00000003\.json is damaged: batch 2 is missing before it"):
        s3_place.store().read()


def test_a_batch_in_place_of_another_is_rejected(s3_place: S3Place) -> None:
    saved(s3_place)
    with s3_place.store().lock(HOLDER) as held:
        held.append([BEGAN])
        held.append(create("a"))
    s3_place.put("fleet.journal/1/00000002.json", s3_place.files()["fleet.journal/1/00000003.json"])
    with pytest.raises(StoreError, match="it is batch 3 on serial 1 of"):
        s3_place.store().read()


def test_a_state_saved_while_it_is_read_is_read_again(s3_place: S3Place) -> None:
    kept = saved(s3_place)
    held = s3_place.store().lock(HOLDER)
    held.append([BEGAN, *create("a")])
    wire = Wire(s3_place.client)
    done: list[bool] = []

    def meddle(name: str, arguments: dict[str, Any], answer: Any) -> None:
        if name == "get_object" and not done:
            done.append(True)
            held.save(held.folded().state)

    wire.after = meddle
    found = s3_place.store(client=wire).read().stored
    held.release()
    assert found is not None
    assert (found.serial, set(found.resources)) == (kept.serial + 1, {"a"})


def test_a_batch_that_vanishes_while_it_is_read_is_damage(s3_place: S3Place) -> None:
    saved(s3_place)
    with s3_place.store().lock(HOLDER) as held:
        held.append([BEGAN])
    wire = Wire(s3_place.client)

    def meddle(name: str, arguments: dict[str, Any]) -> None:
        if arguments["Key"].endswith("2.json"):
            s3_place.remove(arguments["Key"])

    wire.before = meddle
    with pytest.raises(StoreError, match=r"00000002\.json is damaged: it is empty"):
        s3_place.store(client=wire).read()


def test_a_state_that_changes_during_every_read_is_an_error(s3_place: S3Place) -> None:
    saved(s3_place)
    wire = Wire(s3_place.client)
    body = s3_place.files()["fleet"]

    def meddle(name: str, arguments: dict[str, Any]) -> None:
        if name == "head_object":
            s3_place.put("fleet", body + str(len(wire.calls)).encode())
        else:
            s3_place.put("fleet", body)

    wire.before = meddle
    with pytest.raises(StoreError, match="changes faster than it can be read"):
        s3_place.store(client=wire).read()


def test_an_expired_lease_is_held_by_no_one(s3_place: S3Place) -> None:
    server = HandClock()
    store = machine(s3_place, server)[0]
    store.lock(HOLDER)
    assert store.holder() == HOLDER
    server.time += 120
    assert store.holder() is None


def test_a_state_that_another_process_saved_first_is_not_overwritten(s3_place: S3Place) -> None:
    with s3_place.store().lock(HOLDER) as held:
        s3_place.put("fleet", b"something")
        with pytest.raises(Locked, match="another process wrote fleet"):
            held.save(state())
    assert s3_place.files() == {"fleet": b"something"} | {
        name: body for name, body in s3_place.files().items() if name.endswith(".lock")
    }
