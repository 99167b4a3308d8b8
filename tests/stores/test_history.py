"""The states before the present one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from smplan.core.state.journal import RunBegan, RunEnded
from smplan.errors import StoreError
from smplan.stores import codec
from smplan.stores.history import KEPT, Version, versions
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
from tests.support.disks import Killed
from tests.support.s3_client import (
    CUT,
    LOST,
    Faults,
    Wire,
)


def save_again(place: Place, *addresses: str) -> None:
    with place.store().lock(HOLDER) as held:
        found = held.snapshot.stored
        assert found is not None
        held.save(replace(found, resources=state(*addresses).resources))


def past_of(place: Place, serial: int) -> set[str]:
    document = place.store().document(serial)
    assert document is not None
    return set(codec.decode_state(document, "it").state.resources)


def test_a_save_keeps_the_state_that_it_replaces(place: Place) -> None:
    saved(place, "a")
    assert place.store().history() == []
    save_again(place, "a", "b")
    save_again(place)
    store = place.store()
    assert store.history() == [2, 1]
    assert (past_of(place, 1), past_of(place, 2)) == ({"a"}, {"a", "b"})
    assert store.document(3) is None


def test_taking_the_lock_adds_nothing_to_the_history(place: Place) -> None:
    saved(place, "a")
    for _ in range(3):
        place.store().lock(HOLDER).release()
    assert place.store().history() == []


def test_a_replaced_state_keeps_its_pending_creates(place: Place) -> None:
    saved(place)
    with place.store().lock(HOLDER) as held:
        held.append([BEGAN, create("a")[0]])
        held.save(held.folded().state)
        held.save(held.folded().state)
    document = place.store().document(2)
    assert document is not None
    assert [each.resource.address for each in codec.decode_state(document, "it").pending_creates] == ["a"]


def test_only_the_newest_replaced_states_are_kept(place: Place) -> None:
    with place.store().lock(HOLDER) as held:
        kept = held.save(state(serial=40))
        for serial in range(30, 41):
            held.put_version(serial - 15, b"old")
            held.put_version(serial, b"newer")
        held.save(kept)
    assert place.store().history() == [*range(41, 29, -1), *range(25, 42 - KEPT - 1, -1)]


def test_a_restored_state_has_its_own_history(place: Place) -> None:
    saved(place, "a")
    save_again(place, "b")
    save_again(place, "c")
    document = place.store().document(1)
    assert document is not None
    name = next(name for name in place.files() if name in ("fleet", "fleet.state.json"))
    place.put(name, document)
    save_again(place, "d")
    save_again(place, "e")
    assert (past_of(place, 1), past_of(place, 2)) == ({"a"}, {"d"})


def test_a_save_that_is_repeated_keeps_the_state_before_it_once(s3_place: S3Place) -> None:
    saved(s3_place, "a")
    wire = Wire(s3_place.client)
    with s3_place.store(client=wire, clock=HandClock()).lock(HOLDER) as held:
        kept = held.folded().state
        wire.before, wire.after = Faults(CUT, "get_object", 99), Faults(LOST, times=99)
        with pytest.raises(StoreError):
            held.save(kept)
        wire.clear_faults()
        held.save(kept)
    assert s3_place.store().history() in ([], [1])
    assert s3_place.store().document(2) is None


def test_if_the_history_cannot_be_written_the_state_is_saved_with_a_warning(local_place: LocalPlace) -> None:
    saved(local_place, "a")
    local_place.put("fleet.history", b"in the way")
    words: list[str] = []
    with local_place.store(on_warning=words.append).lock(HOLDER) as held:
        held.save(held.folded().state)
    [word] = words
    assert word.startswith("the state with serial 1 could not be kept in the history: ")
    (local_place.folder / "fleet.history").unlink()
    assert local_place.store().read().stored == state("a", serial=2)


def test_if_the_history_in_s3_cannot_be_written_the_state_is_saved_with_a_warning(s3_place: S3Place) -> None:
    saved(s3_place, "a")
    wire, words = Wire(s3_place.client), list[str]()

    def fail(name: str, arguments: dict[str, Any]) -> None:
        if ".history/" in arguments.get("Key", ""):
            raise CUT

    wire.before = fail
    with s3_place.store(client=wire, clock=HandClock(), on_warning=words.append).lock(HOLDER) as held:
        held.save(held.folded().state)
    assert "could not be kept in the history" in words[-1]
    assert s3_place.store().read().stored == state("a", serial=2)


def test_a_save_that_dies_before_it_replaces_the_state_leaves_it_in_both_places(s3_place: S3Place) -> None:
    saved(s3_place, "a")
    wire = Wire(s3_place.client)

    seen: list[str] = []

    def note(name: str, arguments: dict[str, Any]) -> None:
        if name == "put_object" and arguments["Key"] == "fleet" and seen:
            raise Killed
        if ".history/" in arguments.get("Key", ""):
            seen.append(arguments["Key"])

    wire.before = note
    with pytest.raises(Killed), s3_place.store(client=wire, clock=HandClock()).lock(HOLDER) as held:
        held.save(held.folded().state)
    assert seen == ["fleet.history/00000001.json"]
    assert s3_place.store().read().stored == state("a", serial=1)
    assert past_of(s3_place, 1) == {"a"}


def test_every_version_has_its_plan_and_its_size(place: Place) -> None:
    saved(place)
    with place.store().lock(HOLDER) as held:
        held.append([BEGAN, *create("a"), *create("b"), RunEnded("r1", "complete", {}, "")])
        held.save(held.folded().state)
        held.append([RunBegan("r2", "p2", "d2", 2, ""), *create("c")])
    present, first = versions(place.store())
    assert (present.serial, present.plan, present.resources, present.current) == (2, "p2", 3, True)
    assert (first.serial, first.plan, first.resources, first.current) == (1, "", 0, False)
    assert present.saved >= first.saved > "2026"


def test_without_a_state_there_are_no_versions(place: Place) -> None:
    assert list(versions(place.store())) == []


def test_a_damaged_version_does_not_hide_the_others(place: Place) -> None:
    saved(place, "a")
    save_again(place)
    save_again(place)
    place.put("fleet.history/00000002.json", b"rotten")
    _, second, first = versions(place.store())
    assert second == Version(2, trouble="the state with serial 2 is damaged: it is not whole, or not written by smplan")
    assert (first.serial, first.resources) == (1, 1)


def test_a_version_that_is_deleted_meanwhile_is_skipped(local_place: LocalPlace) -> None:
    saved(local_place)
    save_again(local_place)
    store = local_place.store()
    store.history = lambda: [1, 0]  # type: ignore[method-assign]  # as it was a moment ago
    assert [each.serial for each in versions(store)] == [2, 1]


def test_files_of_other_names_are_no_part_of_the_history(place: Place) -> None:
    saved(place)
    save_again(place)
    place.put("fleet.history/notes.json", b"mine")
    assert place.store().history() == [1]


def test_the_time_of_a_save_outlives_the_next_lock(place: Place) -> None:
    saved(place)
    before = place.store().read().saved
    place.store().lock(OTHER).release()
    assert place.store().read().saved == before != ""
