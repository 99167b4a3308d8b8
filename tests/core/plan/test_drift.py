"""Drift: how what exists differs from what was last applied."""

from __future__ import annotations

from dataclasses import replace

from smplan.core.plan.model import Drift
from tests.core.plan.scenario import Have, have, planned


def drift(*haves: Have, unreadable: dict[str, str] | None = None) -> list[Drift]:
    return planned([], haves, unreadable=unreadable).changes.drift


def test_drift_names_each_attribute_with_what_was_applied_and_what_it_is_now() -> None:
    (found,) = drift(have("a", size=1, limit=2, live={"size": 9}), have("b"))
    assert (found.address, found.gone) == ("a", False)
    assert [(change.path, change.before, change.after) for change in found.changes] == [("size", 1, 9)]


def test_an_output_that_is_tracked_drifts_though_no_field_manages_it() -> None:
    known = have("a", outputs={"arn": "arn:a", "version": 1})
    assert known.live is not None
    moved = replace(known, live=replace(known.live, outputs={"arn": "arn:b", "version": 2}))
    (found,) = drift(moved)
    assert [(change.path, change.before, change.after) for change in found.changes] == [("version", 1, 2)]


def test_a_tracked_output_drifts_once_where_a_field_of_its_name_is_managed() -> None:
    known = have("a", limit=1, outputs={"limit": 1})
    assert known.live is not None
    live = replace(known.live, spec=known.live.spec.model_copy(update={"limit": 2}), outputs={"limit": 2})
    (found,) = drift(replace(known, live=live))
    assert [(change.path, change.before, change.after) for change in found.changes] == [("limit", 1, 2)]
    free = have("a", outputs={"limit": 1})
    assert free.live is not None
    (found,) = drift(replace(free, live=replace(free.live, outputs={"limit": 2})))
    assert [(change.path, change.before, change.after) for change in found.changes] == [("limit", 1, 2)]


def test_a_tracked_output_that_the_state_does_not_know_yet_does_not_drift() -> None:
    known = have("a")
    assert known.live is not None
    assert drift(replace(known, live=replace(known.live, outputs={"version": 2}))) == []


def test_a_missing_resource_is_gone() -> None:
    assert drift(have("a", gone=True)) == [Drift("a", "thing", "id-a", gone=True)]


def test_what_cannot_be_read_or_has_no_reality_does_not_drift() -> None:
    unreadable = {"r": "down"}
    assert (
        drift(have("r", "remote", gone=True), have("g", "gate", of="x"), have("v", "value"), unreadable=unreadable)
        == []
    )


def test_a_record_of_another_version_does_not_drift() -> None:
    other = have("a")
    other.record.spec["colour"] = "red"
    assert drift(other) == []
