"""What a plan does to every resource, for predictions: ends and successors apart, and what stays as it is."""

from __future__ import annotations

from smplan.core.plan.risks import effects, recorded_effects
from tests.core.plan.scenario import Planned, created, deposed, have, pending, planned, want


def found(plan: Planned) -> list[tuple[str, str, bool]]:
    """Address, op, and whether it is deleted before its successor is created."""
    return [(each.address, each.effect.op, each.deleted_first) for each in effects(plan.changes)]


def test_what_stays_as_it_is_is_listed_with_what_it_is() -> None:
    (effect,) = effects(planned([want("a")], [have("a")]).changes)
    assert (effect.address, effect.kind, effect.effect.op) == ("a", "thing", "")
    assert effect.effect.before["name"] == effect.effect.after["name"] == "a"
    assert effect.effect.before["id"]  # by which others refer to it: a rule to its security group


def test_a_replaced_resource_is_listed_for_its_end_and_for_its_successor() -> None:
    assert found(planned([want("a", zone="z2")], [have("a", zone="z1")])) == [
        ("a", "replace", False),
        ("a", "delete", False),
    ]


def test_what_cannot_exist_beside_its_successor_is_deleted_first() -> None:
    wanted, existing = want("p", kind="port", number=2, of="x"), have("p", kind="port", number=1, of="x")
    assert found(planned([wanted], [existing])) == [("p", "replace", False), ("p", "delete", True)]


def test_leftovers_of_older_generations_and_of_interrupted_runs_are_listed() -> None:
    older = planned([want("a")], [have("a", generation=2)], deposed=[deposed("a")])
    assert found(older) == [("a", "", False), ("a", "delete", False)]
    interrupted = planned([], untracked=[created(pending("a"))])
    assert found(interrupted) == [("a", "delete", False)]
    (leftover,) = effects(interrupted.changes)
    assert leftover.effect.removes


def test_what_is_forgotten_is_left_out() -> None:
    assert found(planned([], [have("a")], unreadable={"a": "down"}, abandon=["a"])) == []


def test_what_a_plan_does_not_look_at_stays_as_the_state_has_it() -> None:
    records = [have("a").record, have("b").record]
    (effect,) = recorded_effects(records, but={"a"})
    assert (effect.address, effect.effect.op, effect.effect.before["id"]) == ("b", "", records[1].id)
    assert effect.effect.after == records[1].spec
