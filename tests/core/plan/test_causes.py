"""The cause of a change: the blueprint, something outside smplan, or what is referred to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.plan.scenario import Have, deposed, have, planned, want

BLUEPRINT, OUTSIDE = "the blueprint changed", "changed outside smplan"


@pytest.mark.parametrize(
    ("wanted", "applied", "live", "cause"),
    [
        ({"size": 2}, {"size": 1}, {}, f"size: {BLUEPRINT}"),
        ({"size": 1}, {"size": 1}, {"size": 9}, f"size: {OUTSIDE}"),
        ({"size": 2}, {"size": 1}, {"size": 9}, f"size: {BLUEPRINT} and it was changed outside smplan too"),
        ({"limit": 2}, {}, {"limit": 9}, f"limit: {BLUEPRINT}"),
        ({"uses": ["x", "y"]}, {"uses": ["y", "x"]}, {"uses": ["x"]}, f"uses: {OUTSIDE}"),
        ({"uses": ["x"]}, {"uses": ["y", "x"]}, {"uses": ["x", "y"]}, f"uses: {BLUEPRINT}"),
        ({"zone": "y"}, {"zone": "x"}, {}, f"zone: {BLUEPRINT}, and it cannot be changed in place"),
        ({"zone": "x"}, {"zone": "x"}, {"zone": "y"}, f"zone: {OUTSIDE}, and it cannot be changed in place"),
        ({"note": "n"}, {"note": "m"}, {}, f"note: {BLUEPRINT}"),
    ],
)
def test_a_value_was_changed_by_the_blueprint_or_outside_or_both(
    wanted: Any, applied: Any, live: Any, cause: str
) -> None:
    plan = planned([want("a", **wanted)], [have("a", live=live, **applied)])
    assert plan.steps[0].reasons == (cause,)


def dependent(**spec: Any) -> Have:
    """What was created after ``a`` and refers to it."""
    return have("b", after=["a"], **spec)


@pytest.mark.parametrize(
    ("wants_a", "has_a", "uses", "applied", "cause"),
    [
        ({"zone": "y"}, {"zone": "x"}, ["${a.id}"], ["id-a"], "a is replaced"),
        ({}, {"gone": True}, ["${a.id}"], ["id-a"], "a is created again"),
        ({"size": 2}, {"outputs": {"version": 1}}, ["v${a.version}"], ["v1"], "a is updated"),
        ({}, {"outputs": {"arn": "new"}}, ["${a.arn}"], ["old"], "a has another arn"),
        ({}, {}, ["${a.id}", "more"], ["id-a"], BLUEPRINT),
        ({"zone": "y"}, {"zone": "x"}, ["more"], ["id-a"], BLUEPRINT),
    ],
)
def test_a_reference_names_what_happened_to_what_it_refers_to(
    wants_a: Any, has_a: Any, uses: list[str], applied: list[str], cause: str
) -> None:
    plan = planned([want("a", **wants_a), want("b", uses=uses)], [have("a", **has_a), dependent(uses=applied)])
    assert plan["b:update"].reasons == (f"uses: {cause}",)


def test_a_new_reference_is_the_blueprint_s_doing_whatever_happens_to_the_resource() -> None:
    wants = [want("a", zone="y"), want("b", uses=["${a.id}"])]
    plan = planned(wants, [have("a", zone="x"), have("b", uses=["id-c"])])
    assert plan["b:update"].reasons == (f"uses: {BLUEPRINT}",)


def test_a_replaced_dependency_replaces_what_cannot_change_its_reference() -> None:
    wants = [want("a", zone="y"), want("b", zone="${a.id}")]
    plan = planned(wants, [have("a", zone="x"), dependent(zone="id-a")])
    assert plan["b:replace"].reasons == ("zone: a is replaced, and it cannot be changed in place",)


def test_a_lookup_may_be_the_cause_or_the_blueprint() -> None:
    plan = planned([want("a", zone="${ami.id}")], [have("a", zone="1")], lookups={"ami": {"id": "2"}})
    [reason] = plan["a:replace"].reasons
    assert reason.startswith("zone: the blueprint changed, or the lookup `ami` finds another")
    plan = planned(
        [want("a", zone="${ami.id}")], [have("a", zone="2", live={"zone": "1"})], lookups={"ami": {"id": "2"}}
    )
    assert plan["a:replace"].reasons[0].startswith(f"zone: {OUTSIDE}")


def test_a_value_or_gate_has_the_cause_of_its_input() -> None:
    wants = [want("a", zone="y"), want("g", "gate", of="${a.id}"), want("v", "value", input={"x": "${a.id}"})]
    recorded = [have("a", zone="x"), have("g", "gate", after=["a"], of="id-a")]
    recorded += [have("v", "value", after=["a"], input={"x": "id-a"})]
    plan = planned(wants, recorded)
    assert plan["g:gate"].reasons == ("of: a is replaced",)
    assert plan["v:update"].reasons == ("input.x: a is replaced",)


def test_a_resource_that_an_interrupted_run_left_and_that_is_gone_was_not_deleted_by_a_person() -> None:
    from smplan.core.state.model import Status

    plan = planned([want("a")], [have("a", gone=True, status=Status.INCOMPLETE)])
    assert plan["a:create"].reasons == ("id-a, which an interrupted run created, is gone",)
    assert deposed("a").id == "old-a-1"
