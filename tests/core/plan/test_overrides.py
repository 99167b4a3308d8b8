"""Fields that another resource sets: a schedule sets the size of a thing, and that is neither a change nor drift."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.plan.scenario import Have, have, planned, want

NIGHT: dict[str, Any] = {"address": "night", "kind": "schedule", "thing": "${a.name}", "size": 0}
BY_DAY = have("a", size=3)
BY_NIGHT = have("a", size=3, live={"size": 0})


def drift(*haves: Have, **night: Any) -> list[str]:
    plan = planned([want("a", size=3), want(**{**NIGHT, **night})], haves)
    return [change.path for each in plan.changes.drift for change in each.changes]


@pytest.mark.parametrize("thing", ["${a.name}", "${a.id}", "a", "id-a"], ids=["name ref", "id ref", "name", "id"])
def test_a_value_that_a_schedule_sets_is_no_change_and_no_drift(thing: str) -> None:
    recorded: dict[str, Any] = {"address": "night", "kind": "schedule", "thing": "a", "size": 0}
    plan = planned([want("a", size=3), want(**{**NIGHT, "thing": thing})], [BY_NIGHT, have(**recorded)])
    assert "a:update" not in plan.ops
    assert drift(BY_NIGHT, thing=thing) == []


def test_a_schedule_that_only_the_state_has_counts_too() -> None:
    recorded = have("night", "schedule", thing="a", size=0)
    assert planned([want("a", size=3)], [BY_NIGHT, recorded]).ops == {"night:delete#1": "delete"}


def test_a_value_that_no_schedule_sets_is_put_back_and_is_drift() -> None:
    by_hand = have("a", size=3, live={"size": 7})
    plan = planned([want("a", size=3), want(**NIGHT)], [by_hand])
    assert plan["a:update"].reasons == ("size: changed outside smplan",)
    assert drift(by_hand) == ["size"]


def test_a_change_in_the_blueprint_is_made_by_day_and_leaves_the_night_alone() -> None:
    by_day = planned([want("a", size=4), want(**NIGHT)], [BY_DAY])
    assert by_day["a:update"].after["size"] == 4
    by_night = planned([want("a", size=4, limit=9), want(**NIGHT)], [BY_NIGHT])
    assert [change.path for change in by_night["a:update"].changes] == ["limit"]
    assert by_night["a:update"].after["size"] == 0


@pytest.mark.parametrize(
    "night",
    [{"thing": "${b.name}"}, {"thing": "b"}, {"size": None}, {"size": 1}],
    ids=["of another by reference", "of another by name", "sets nothing", "sets something else"],
)
def test_other_schedules_do_not_matter(night: dict[str, Any]) -> None:
    plan = planned([want("a", size=3), want("b"), want(**{**NIGHT, **night})], [BY_NIGHT, have("b")])
    assert "a:update" in plan.ops


def test_a_field_that_is_set_to_nothing_is_not_overridden() -> None:
    existing = have("a", limit=5, live={"limit": None})
    plan = planned([want("a", limit=5), want(**NIGHT)], [existing])
    assert "a:update" in plan.ops
