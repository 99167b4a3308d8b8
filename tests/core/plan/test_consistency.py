"""What a plan may not say against itself; that no real plan does is checked of every plan in ``scenario``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smplan.core import diff
from smplan.core.diff import AttributeChange
from smplan.core.plan.changes import NO_PERMITS
from smplan.core.plan.model import Dependency, Step
from smplan.core.state.model import State
from tests.core.plan.scenario import LINEAGE, Planned, contradictions, document, have, observed, pending, planned, want

FOUND = observed("port", "id-port", {"number": 1, "of": "x"})
BALANCER = have("balancer", zones=["a", "b"])
FLEET = have("fleet")


def releasing() -> Planned:
    """A plan in which a balancer gives up a zone once the fleet has left it."""
    wants = [want("balancer", zones=["a", "c"]), want("fleet", size=2, after=["balancer"])]
    return planned(wants, [BALANCER, FLEET])


def said(made: Planned, step: Step, state: State) -> list[str]:
    """What the plan says against itself with this step in place of the one of its id."""
    steps = tuple(step if each.id == step.id else each for each in made.steps)
    return contradictions(document(made.changes, steps, NO_PERMITS), state)


FLEETS = State("toys", LINEAGE, 3, {each.record.address: each.record for each in (BALANCER, FLEET)})


def test_a_release_gives_up_what_is_released_last_and_comes_after_its_update() -> None:
    made = releasing()
    release = made["balancer:release"]
    assert said(made, release, FLEETS) == []
    alone = replace(release, depends_on=tuple(each for each in release.depends_on if each.step != "balancer:update"))
    assert said(made, alone, FLEETS) == ["step balancer:release: depends_on: it comes after balancer:update"]
    blind = replace(release, precondition="0")
    assert said(made, blind, FLEETS) == ["step balancer:release: precondition: a update of thing has none"]


@pytest.mark.parametrize(
    "change",
    [
        AttributeChange("size", 1, 2),
        AttributeChange("zones", ["a", "b", "c"], ["b"]),
        AttributeChange("nothing", 1, 2),
    ],
)
def test_a_release_changes_nothing_else(change: AttributeChange) -> None:
    made = releasing()
    wrong = f"step balancer:release: changes: {change.path} is not released"
    assert said(made, replace(made["balancer:release"], changes=(change,)), FLEETS) == [wrong]


def test_what_has_no_tags_is_adopted_only_if_something_permits_it() -> None:
    wanted = want("port", "port", number=1, of="x", lifecycle={"adopt": True})
    made = planned([wanted], found={"port": FOUND})
    (step,) = made.steps
    assert step.adopt is not None
    nothing = replace(step, adopt=replace(step.adopt, adopt=False))
    empty = State("toys", LINEAGE, 3, {})
    assert said(made, nothing, empty) == ["step port:adopt: adopt: nothing permits to adopt it"]
    begun = [pending("port", "port", number=1, of="x")]
    assert contradictions(document(made.changes, (nothing,), NO_PERMITS), empty, begun) == []


def test_a_wait_of_a_step_for_nothing_that_comes_before_it_is_refused() -> None:
    made = planned([want("a"), want("b", uses=["${a.id}"])])
    step = replace(made["b:create"], depends_on=(Dependency("a:create", "it refers to it", seconds=float("inf")),))
    assert said(made, step, State("toys", LINEAGE, 3, {})) == ["step b:create: depends_on: it would wait without end"]


def test_a_precondition_is_that_of_what_was_read() -> None:
    made = planned([want("a", size=2)], [have("a")])
    step = made["a:update"]
    state = State("toys", LINEAGE, 3, {"a": have("a").record})
    before = {**step.before, "limit": 7}
    assert said(made, replace(step, before=before), state) == [
        "step a:update: precondition: it is not that of what was read (`before`)"
    ]
    live = observed("thing", "id-a", before)
    consistent = replace(step, before=before, precondition=diff.fingerprint(live.spec))
    assert said(made, consistent, state) == []
