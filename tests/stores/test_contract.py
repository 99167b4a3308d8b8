"""What every store promises, tested on each of them."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from smplan.core.state.journal import ResourceCreated, RunBegan, RunEnded, StepIntent, StepSucceeded
from smplan.errors import Bug, Locked, StoreError
from smplan.stores.interface import Snapshot
from tests.stores.samples import BEGAN, HOLDER, LINEAGE, OTHER, Place, create, entry, intent, saved, state


def test_nothing_is_read_where_nothing_was_stored(place: Place) -> None:
    assert place.store().read() == Snapshot()
    assert place.store().holder() is None
    assert place.files() == {}


def test_a_saved_state_is_read_back_with_its_new_serial(place: Place) -> None:
    kept = saved(place, "a", "b")
    found = place.store().read()
    assert kept == state("a", "b", serial=1)
    assert found.stored == kept
    assert found.folded is not None
    assert (found.folded.state, found.folded.run, found.entries) == (kept, None, ())


def test_a_journal_is_replayed_when_read(place: Place) -> None:
    saved(place, "a")
    with place.store().lock(HOLDER) as held:
        held.append([BEGAN, *create("b")])
        held.append([intent("c")])
    found = place.store().read()
    assert found.stored == state("a", serial=1)
    assert found.entries == (BEGAN, *create("b"), intent("c"))
    assert found.folded is not None
    assert set(found.folded.state.resources) == {"a", "b"}
    assert [each.resource.address for each in found.folded.pending_creates] == ["c"]


def test_the_next_holder_continues_the_journal(place: Place) -> None:
    saved(place)
    with place.store().lock(HOLDER) as held:
        held.append([BEGAN])
    with place.store().lock(OTHER) as held:
        assert held.snapshot.entries == (BEGAN,)
        held.append(create("a"))
        held.append(create("b"))
        assert set(held.folded().state.resources) == {"a", "b"}
    assert place.store().read().entries == (BEGAN, *create("a"), *create("b"))


def test_a_save_empties_the_journal(place: Place) -> None:
    saved(place)
    with place.store().lock(HOLDER) as held:
        held.append([BEGAN, *create("a"), RunEnded("r1", "complete", {"x": 1}, "")])
        kept = held.save(held.folded().state)
        assert (kept.serial, kept.outputs) == (2, {"x": 1})
        held.append([RunBegan("r2", "p2", "d2", 2, "")])
    found = place.store().read()
    assert found.stored == kept
    assert found.entries == (RunBegan("r2", "p2", "d2", 2, ""),)


def test_a_save_leaves_nothing_but_the_state_and_the_one_before_it(place: Place) -> None:
    saved(place)
    with place.store().lock(HOLDER) as held:
        held.append([BEGAN])
        held.save(held.folded().state)
    there = {name for name in place.files() if ".lock" not in name}
    assert there - {"fleet", "fleet.state.json"} == {"fleet.history/00000001.json"}


def test_pending_creates_outlive_a_save(place: Place) -> None:
    saved(place)
    with place.store().lock(HOLDER) as held:
        held.append([BEGAN, intent("a"), intent("b")])
        held.save(held.folded().state)
        held.append([RunBegan("r2", "p2", "d2", 2, ""), *create("b")])
        held.save(held.folded().state)
    found = place.store().read()
    assert found.entries == (intent("a"),)
    assert found.folded is not None
    assert found.folded.pending_creates == (intent("a"),)


def test_the_version_changes_with_the_stored_state(place: Place) -> None:
    saved(place)
    before = place.store().read().version
    assert before == place.store().read().version
    with place.store().lock(HOLDER) as held:
        held.save(state(serial=1))
    assert place.store().read().version != before


def test_nothing_is_journaled_before_a_state_was_saved(place: Place) -> None:
    with place.store().lock(HOLDER) as held:
        with pytest.raises(Bug, match="save one first"):
            held.append([BEGAN])
        with pytest.raises(Bug, match="save one first"):
            held.folded()


def test_appending_nothing_writes_nothing(place: Place) -> None:
    saved(place)
    with place.store().lock(HOLDER) as held:
        before = place.files()
        held.append([])
        assert place.files() == before


def test_a_state_moved_here_keeps_its_serial(place: Place) -> None:
    with place.store().lock(HOLDER) as held:
        assert held.save(state("a", serial=41)).serial == 42


def test_an_invalid_state_is_not_saved(place: Place) -> None:
    kept = saved(place)
    with place.store().lock(HOLDER) as held, pytest.raises(Bug, match="a: has no id"):
        held.save(replace(kept, resources={"a": entry("a", "")}))
    assert place.store().read().stored == kept


@pytest.mark.parametrize(
    "changes", [{"serial": 0, "outputs": {"x": 1}}, {"serial": 2}, {"lineage": LINEAGE[:-1] + "2"}]
)
def test_a_state_made_from_another_one_is_not_saved(place: Place, changes: dict[str, object]) -> None:
    kept = saved(place)
    with place.store().lock(HOLDER) as held, pytest.raises(Bug, match="was made from"):
        held.save(replace(kept, **changes))  # type: ignore[arg-type]  # the names of State's fields
    assert place.store().read().stored == kept


def test_an_entry_that_could_not_be_replayed_is_not_written(place: Place) -> None:
    saved(place)
    with place.store().lock(HOLDER) as held:
        held.append([BEGAN])
        with pytest.raises(Bug, match="step s-a has no open intent"):
            held.append([intent("b"), ResourceCreated("s-a", "a")])
        assert place.store().read().entries == (BEGAN,)
        held.append(create("a"))
    assert place.store().read().entries == (BEGAN, *create("a"))


@pytest.mark.parametrize("outputs", [{"x": float("nan")}, {"x": {1, 2}}, {"x": 10**5000}])
def test_a_value_that_json_cannot_hold_is_not_written(place: Place, outputs: dict[str, object]) -> None:
    saved(place)
    with place.store().lock(HOLDER) as held:
        held.append([BEGAN, *create("a")[:2]])
        with pytest.raises(Bug, match="cannot be stored"):
            held.append([StepSucceeded("s-a", "a", None, outputs)])
        with pytest.raises(Bug, match="cannot be stored"):
            held.save(replace(state(serial=1), outputs=outputs))
    assert len(place.store().read().entries) == 3


def test_a_second_holder_gets_the_name_of_the_first_and_a_hint(place: Place) -> None:
    with place.store().lock(HOLDER):
        assert place.store().holder() == HOLDER
        with pytest.raises(Locked) as caught:
            place.store().lock(OTHER)
    assert "ann@ci pid 7 (apply, run r1) since 2026-11-23T03:00:00Z" in str(caught.value)
    assert "wait until that has ended" in caught.value.hint
    assert place.store().holder() is None


def test_a_lock_is_waited_for(place: Place) -> None:
    held = place.store().lock(HOLDER)
    timer = threading.Timer(0.3, held.release)
    timer.start()
    with place.store().lock(OTHER, wait_seconds=20):
        assert place.store().holder() == OTHER
    timer.join()


def test_waiting_for_a_lock_ends(place: Place) -> None:
    with place.store().lock(HOLDER), pytest.raises(Locked):
        place.store().lock(OTHER, wait_seconds=0.1)


def test_a_released_lock_gives_no_right_to_write(place: Place) -> None:
    kept = saved(place)
    with place.store().lock(HOLDER) as held:
        held.check()
    held.release()
    with pytest.raises(Locked, match="released"):
        held.check()
    with pytest.raises(Locked, match="released"):
        held.append([BEGAN])
    with pytest.raises(Locked, match="released"):
        held.save(kept)


def test_a_lock_is_released_when_its_block_fails(place: Place) -> None:
    with pytest.raises(ZeroDivisionError), place.store().lock(HOLDER):
        _ = 1 / 0
    assert place.store().holder() is None


def test_one_wins_every_race_and_no_update_is_lost(place: Place) -> None:
    saved(place)
    racers, rounds = 8, 4
    for number in range(rounds):
        gate = threading.Barrier(racers)

        def race(me: int, gate: threading.Barrier = gate, number: int = number) -> bool:
            gate.wait()
            try:
                held = place.store().lock(HOLDER)
            except Locked:
                held = None
            if held:
                found = held.snapshot.folded
                assert found is not None
                address = f"a{number}-{me}"
                held.save(replace(found.state, resources={**found.state.resources, address: entry(address, address)}))
            gate.wait()
            if held:
                held.release()
            return held is not None

        with ThreadPoolExecutor(racers) as pool:
            assert sum(pool.map(race, range(racers))) == 1
    found = place.store().read().stored
    assert found is not None
    assert (found.serial, len(found.resources)) == (1 + rounds, rounds)


def test_a_reader_never_sees_half_a_save(place: Place) -> None:
    saved(place)
    stop = threading.Event()
    seen: list[int] = []

    def look() -> None:
        store = place.store()
        while not stop.is_set():
            found = store.read().folded
            assert found is not None
            seen.append(len(found.state.resources))

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        with place.store().lock(HOLDER) as held:
            for number in range(12):
                began = RunBegan(f"r{number}", f"p{number}", "", 1, "")
                held.append([began, *create(f"a{number}"), RunEnded(f"r{number}", "complete", {}, "")])
                held.save(held.folded().state)
        stop.set()
        looking.result(20)
    assert seen == sorted(seen)


def test_damaged_bytes_are_rejected_with_the_place_and_a_hint(place: Place) -> None:
    saved(place, "a")
    with place.store().lock(HOLDER) as held:
        held.append([BEGAN])
        held.append(create("b"))
    chance = random.Random(20)
    for name, whole in place.files().items():
        if ".lock" in name:
            continue
        cut, at = chance.randrange(len(whole) - 1), chance.randrange(len(whole))
        flipped = whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]
        for damage in (flipped, whole[:cut] + b"}\n", b"", b"\xff\xfe garbage\n", b"[" * 100_000 + b"\n", b"{}\n"):
            place.put(name, damage)
            with pytest.raises(StoreError, match="is damaged") as caught:
                place.store().read()
            assert name in str(caught.value)
            assert caught.value.hint
        with pytest.raises(StoreError, match="is damaged"):
            place.store().lock(HOLDER)
        assert place.store().holder() is None
        place.put(name, whole)
    assert len(place.store().read().entries) == 4


def test_an_intent_is_durable_before_append_returns(place: Place) -> None:
    saved(place)
    with place.store().lock(HOLDER) as held:
        held.append([BEGAN])
        for address in ("a", "b"):
            held.append([intent(address)])
            assert isinstance(place.store().read().entries[-1], StepIntent)
