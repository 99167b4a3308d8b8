"""The order of steps, as stories: every step with the steps it waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from smplan.core.graph import Edge
from smplan.core.plan.duration import critical_path_seconds
from smplan.core.plan.model import Op, Step
from smplan.core.plan.steps import in_order
from smplan.core.state.model import ResourceState
from smplan.errors import Bug
from tests.core.plan.scenario import Planned, created, deposed, have, observed, pending, planned, want


@dataclass(frozen=True)
class Story:
    """A rule of order, a plan, and its steps."""

    rule: str
    plan: Callable[[], Planned]
    steps: tuple[str, ...]


def port(address: str = "p", number: int = 1, of: str = "x") -> dict[str, Any]:
    return {"address": address, "kind": "port", "number": number, "of": of}


TURNED = (Edge("door", "fleet", "it opens first", turned="it is filled first"),)
PENDING = pending("a", after=["z"])
STORIES = [
    Story(
        "a resource is created after what it refers to",
        lambda: planned([want("b", uses=["${a.id}"]), want("a")]),
        ("a:create", "b:create after a:create"),
    ),
    Story(
        "order is seen through resources that do not change",
        lambda: planned(
            [want("a", size=2), want("b", after=["a"]), want("c", after=["b"], size=2)],
            [have("a"), have("b"), have("c")],
        ),
        ("a:update", "c:update after a:update"),
    ),
    Story(
        "without an order of its own, the order of the blueprint holds",
        lambda: planned([want("c"), want("a"), want("b")]),
        ("c:create", "a:create", "b:create"),
    ),
    Story(
        "a new generation is ready, and used, before the old one is deleted",
        lambda: planned(
            [want("a", zone="y"), want("b", uses=["${a.id}"])],
            [have("a", zone="x"), have("b", uses=["id-a"], after=["a"])],
        ),
        ("a:replace", "b:update after a:replace", "a:delete#1 after a:replace, b:update"),
    ),
    Story(
        "what an update only releases is released after all that depends on it has changed",
        lambda: planned(
            [want("balancer", zones=["a"]), want("fleet", size=2, after=["balancer"])],
            [have("balancer", zones=["a", "b"]), have("fleet")],
        ),
        ("fleet:update", "balancer:update after fleet:update"),
    ),
    Story(
        "what an update adds is there before anything uses it",
        lambda: planned(
            [want("balancer", zones=["a", "c"]), want("fleet", size=2, after=["balancer"])],
            [have("balancer", zones=["a", "b"]), have("fleet")],
        ),
        (
            "balancer:update",
            "fleet:update after balancer:update",
            "balancer:release after fleet:update, balancer:update",
        ),
    ),
    Story(
        "an update that only releases and one that does more besides are told apart",
        lambda: planned(
            [want("balancer", zones=["a"], size=2), want("fleet", size=2, after=["balancer"])],
            [have("balancer", zones=["a", "b"]), have("fleet")],
        ),
        (
            "balancer:update",
            "fleet:update after balancer:update",
            "balancer:release after fleet:update, balancer:update",
        ),
    ),
    Story(
        "what is replaced is deleted after another releases it",
        lambda: planned(
            [want("zone", zone="y"), want("fleet", zones=["${zone.id}"])],
            [have("zone", zone="x"), have("fleet", zones=["id-zone"], after=["zone"])],
        ),
        (
            "zone:replace",
            "fleet:update after zone:replace",
            "fleet:release after fleet:update",
            "zone:delete#1 after zone:replace, fleet:release, fleet:update",
        ),
    ),
    Story(
        "where an order is turned, what comes after is changed before an update in place, and releases after it",
        lambda: planned(
            [want("old", zone="y"), want("door", uses=["${old.id}"]), want("fleet", zones=["${old.id}"])],
            [
                have("old", zone="x"),
                have("door", uses=["id-old"], after=["old"]),
                have("fleet", zones=["id-old"], after=["old"]),
            ],
            rules=TURNED,
        ),
        (
            "old:replace",
            "fleet:update after old:replace",
            "door:update after old:replace, fleet:update",
            "fleet:release after door:update, fleet:update",
            "old:delete#1 after old:replace, door:update, fleet:release, fleet:update",
        ),
    ),
    Story(
        "it is not turned where that is created",
        lambda: planned([want("door"), want("fleet")], rules=TURNED),
        ("door:create", "fleet:create after door:create"),
    ),
    Story(
        "nor where the other one only releases",
        lambda: planned(
            [want("door", size=2), want("fleet", zones=["b"])],
            [have("door"), have("fleet", zones=["a", "b"])],
            rules=TURNED,
        ),
        ("door:update", "fleet:update after door:update"),
    ),
    Story(
        "what is replaced is deleted after the gate of what was moved to its successor",
        lambda: planned(
            [
                want("image", zone="y"),
                want("fleet", uses=["${image.id}"]),
                want("healthy", "gate", of="${fleet.id}"),
            ],
            [
                have("image", zone="x"),
                have("fleet", uses=["id-image"], after=["image"]),
                have("healthy", "gate", of="id-fleet", after=["fleet"]),
            ],
        ),
        (
            "image:replace",
            "fleet:update after image:replace",
            "healthy:gate after fleet:update",
            "image:delete#1 after image:replace, fleet:update, healthy:gate",
        ),
    ),
    Story(
        "what the blueprint no longer has is deleted after the gate of what used it",
        lambda: planned(
            [want("fleet", uses=["id-other"]), want("healthy", "gate", of="${fleet.id}")],
            [
                have("image"),
                have("fleet", uses=["id-image"], after=["image"]),
                have("healthy", "gate", of="id-fleet", after=["fleet"]),
            ],
        ),
        (
            "fleet:update",
            "healthy:gate after fleet:update",
            "image:delete#1 after fleet:update, healthy:gate",
        ),
    ),
    Story(
        "what makes room is deleted when all else that its successor needs is ready",
        lambda: planned(
            [want("balancer", zone="y"), want(**port(of="${balancer.id}"))],
            [have("balancer", zone="x"), have(**port(of="id-balancer"), after=["balancer"])],
        ),
        (
            "balancer:replace",
            "p:delete#1 after balancer:replace",
            "p:replace after balancer:replace, p:delete#1",
            "balancer:delete#1 after balancer:replace, p:delete#1, p:replace",
        ),
    ),
    Story(
        "what cannot exist twice is deleted before its successor is created",
        lambda: planned([want(**port(number=2))], [have(**port())]),
        ("p:delete#1", "p:replace after p:delete#1"),
    ),
    Story(
        "a chain of such resources is deleted from its end and created from its beginning",
        lambda: planned(
            [want(**port(number=2)), want(**port("q", 9, "${p.id}"))],
            [have(**port()), have(**port("q", 9, "id-p"), after=["p"])],
        ),
        (
            "q:delete#1",
            "p:delete#1 after q:delete#1",
            "p:replace after p:delete#1",
            "q:replace after p:replace, q:delete#1",
        ),
    ),
    Story(
        "such a delete does not wait for what itself waits for the successor",
        lambda: planned(
            [want(**port(number=2)), want("b", after=["p"]), want("u", uses=["${b.id}"])],
            [have(**port()), have("a", after=["p"]), have("u", uses=["id-a"], after=["a"])],
        ),
        (
            "p:delete#1",
            "p:replace after p:delete#1",
            "b:create after p:replace",
            "u:update after b:create",
            "a:delete#1 after u:update",
        ),
    ),
    Story(
        "a resource is deleted after those created after it, and after others stop referring to it",
        lambda: planned(
            [want("c", uses=[])], [have("a"), have("b", after=["a"]), have("c", uses=["id-a"], after=["a"])]
        ),
        ("c:update", "b:delete#1", "a:delete#1 after b:delete#1, c:update"),
    ),
    Story(
        "resources created after each other by turns are deleted in some order",
        lambda: planned([], [have("a", after=["b"]), have("b", after=["a"])]),
        ("a:delete#1", "b:delete#1"),
    ),
    Story(
        "a deposed generation is deleted once the current one is ready",
        lambda: planned([want("a", size=2)], [have("a", generation=2)], deposed=[deposed("a")]),
        ("a:update", "a:delete#1 after a:update"),
    ),
    Story(
        "a deposed generation that has the name of the new one is deleted first",
        lambda: planned([want("a")], deposed=[deposed("a")]),
        ("a:delete#1", "a:create after a:delete#1"),
    ),
    Story(
        "a deposed generation is deleted before what it was created after",
        lambda: planned([want("a")], [have("a", generation=2), have("z")], deposed=[deposed("a", after=["z"])]),
        ("a:delete#1", "z:delete#1 after a:delete#1"),
    ),
    Story(
        "a deposed generation and what was created after each other do not wait for each other",
        lambda: planned([], [have("a", generation=2), have("z", after=["a"])], deposed=[deposed("a", after=["z"])]),
        ("z:delete#1", "a:delete#2 after z:delete#1", "a:delete#1 after z:delete#1"),
    ),
    Story(
        "an untracked resource is deleted before what it was created after, and before the new one",
        lambda: planned(
            [want("a", zone="y")],
            [have("z")],
            pending=[PENDING],
            untracked=[created(PENDING)],
            found={"a": created(PENDING).live},
        ),
        ("a:delete#pending-1", "a:create after a:delete#pending-1", "z:delete#1 after a:delete#pending-1"),
    ),
    Story(
        "an untracked resource is deleted before another address takes its name",
        lambda: planned([want("b", name="a")], untracked=[created(pending("a"))]),
        ("a:delete#pending-1", "b:create after a:delete#pending-1"),
    ),
    Story(
        "an untracked resource of another name waits for nothing and holds up nothing",
        lambda: planned([want("b")], untracked=[created(pending("a"))]),
        ("b:create", "a:delete#pending-1"),
    ),
    Story(
        "an untracked resource is deleted before what is adopted at its address",
        lambda: planned(
            [want("a")],
            untracked=[created(pending("a", "remote"))],
            found={"a": observed("thing", "t", {"name": "a"}, "a")},
        ),
        ("a:delete#pending-1", "a:adopt after a:delete#pending-1"),
    ),
    Story(
        "what a pending create depends on is deleted after that is adopted or created",
        lambda: planned([want("a")], [have("z")], pending=[PENDING], untracked=[created(PENDING)]),
        ("a:create", "z:delete#1 after a:create"),
    ),
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.rule)
def test_in_which_order(story: Story) -> None:
    assert tuple(story.plan().story) == story.steps


def test_every_dependency_has_a_reason() -> None:
    for story in STORIES:
        assert all(each.reason for step in story.plan().steps for each in step.depends_on), story.rule


def test_a_long_chain_that_does_not_change_is_seen_through() -> None:
    def chain(ends: int) -> list[dict[str, object]]:
        inputs = {0: ends, 1199: ends}
        return [
            {"address": f"n{at}", "kind": "value", "input": inputs.get(at, 0), "after": [f"n{at - 1}"] if at else []}
            for at in range(1200)
        ]

    plan = planned([want(**each) for each in chain(2)], [have(**each) for each in chain(1)])  # type: ignore[arg-type]
    assert plan.story == ["n0:update", "n1199:update after n0:update"]


def steps(*ids: str) -> list[Step]:
    return [Step(id, Op.CREATE, ResourceState(id, "value", "", {}, {})) for id in ids]


def test_in_a_cycle_the_droppable_edges_are_dropped() -> None:
    edges = [Edge("a", "b", "x"), Edge("b", "a", "y", droppable=True), Edge("c", "a", "z", droppable=True)]
    ordered = in_order(steps("a", "b", "c"), edges)
    assert [(step.id, [each.step for each in step.depends_on]) for step in ordered] == [
        ("c", []),
        ("a", ["c"]),
        ("b", ["a"]),
    ]


def test_a_cycle_without_droppable_edges_is_a_bug() -> None:
    with pytest.raises(Bug, match="the steps wait for each other: "):
        in_order(steps("a", "b"), [Edge("a", "b", "x"), Edge("b", "a", "y")])


def moved_name(**name: Any) -> Planned:
    """A name that leads to another balancer, which is replaced, and an image that is no longer wanted."""
    return planned(
        [
            want("balancer", zone="y"),
            want("fleet", zones=["b"], after=["balancer"]),
            want("www", "name", uses=["${balancer.id}"], after=["fleet"], **name),
        ],
        [
            have("balancer", zone="x"),
            have("fleet", zones=["a"], after=["balancer"]),
            have("www", "name", uses=["id-balancer"], after=["balancer", "fleet"]),
            have("image"),
        ],
    )


def test_what_clients_still_use_is_deleted_and_released_some_time_after_the_update() -> None:
    plan = moved_name()
    delays = {step.id: each.seconds for step in plan.steps for each in step.depends_on if each.step == "www:update"}
    assert delays == {"balancer:delete#1": 60, "fleet:release": 60}
    one_after_another = ("balancer:replace", "fleet:update", "www:update", "fleet:release", "balancer:delete#1")
    assert critical_path_seconds(plan.steps) == 60 + len(one_after_another)
    (why,) = [each.reason for each in plan["balancer:delete#1"].depends_on if each.step == "www:update"]
    assert why == "clients of www may use its old answer for 60 s"


NOON = "2026-11-26T12:00:00+00:00"


def after_a_kill(left: float) -> Planned:
    """A new plan after a run that was killed in the wait: clients use the old balancer until noon."""
    now = have("www", "name", uses=["id-balancer"], after=["balancer", "fleet"])
    used = replace(now.record, used_until=NOON, used=("balancer", "old"))
    return planned(
        [want("balancer"), want("fleet", zones=["b"]), want("www", "name", uses=["${balancer.id}"], after=["fleet"])],
        [
            have("balancer"),
            have("fleet", zones=["a", "b"]),
            have("old", after=["targets"]),
            have("targets"),
            have("topic"),
            replace(now, record=used),
        ],
        deposed=[deposed("balancer")],
        seconds_until={NOON: left}.__getitem__,
    )


def test_what_clients_use_since_an_earlier_run_is_deleted_and_released_after_the_rest_of_the_time() -> None:
    plan = after_a_kill(43)
    waits = {step.id: step.wait_seconds for step in plan.steps}
    assert waits == {
        "balancer:delete#1": 43,
        "old:delete#1": 43,
        "targets:delete#1": 43,
        "topic:delete#1": 0,
    } | {id: 0 for id in waits if id.startswith("fleet")}
    assert "clients may use it for 43 s more" in plan["old:delete#1"].reasons[-1]
    assert critical_path_seconds(plan.steps) == 43 + 2
    assert critical_path_seconds(plan.steps, [*waits]) == 0


def test_what_clients_used_until_a_while_ago_is_not_waited_for() -> None:
    plan = after_a_kill(-5)
    assert {step.wait_seconds for step in plan.steps} == {0}
    assert not any("clients" in why for step in plan.steps for why in step.reasons)


def test_an_update_says_how_long_clients_use_what_it_changes() -> None:
    plan = moved_name()
    assert {step.id: step.lingers for step in plan.steps if step.lingers} == {"www:update": 60}


def test_an_update_that_clients_do_not_notice_delays_nothing() -> None:
    plan = planned(
        [want("balancer", zone="y"), want("www", "name", size=2, after=["balancer"])],
        [have("balancer", zone="x"), have("www", "name", after=["balancer"])],
    )
    assert {each.seconds for step in plan.steps for each in step.depends_on} == {0}


def doors(zone: str = "y", **lifecycle: Any) -> Planned:
    """A door of a balancer that is replaced, with targets of its own."""
    return planned(
        [
            want("balancer", zone=zone),
            want("targets", lifecycle=lifecycle),
            want("door", "door", balancer="${balancer.id}", targets="${targets.id}"),
        ],
        [
            have("balancer", zone="x"),
            have("targets", keep=lifecycle.get("keep", False)),
            have("door", "door", balancer="id-balancer", targets="id-targets", after=["balancer", "targets"]),
        ],
    )


def test_what_one_resource_holds_alone_is_replaced_with_it() -> None:
    ops = doors().ops
    assert ops["targets:replace"] == "replace"
    assert [*ops].index("door:replace") < [*ops].index("door:delete#1")
    assert "its old generation has this one for itself" in doors()["targets:replace"].reasons[0]
    assert doors(zone="x").steps == ()


@pytest.mark.parametrize("lifecycle", [{"keep": True}, {"prevent_destroy": True}])
def test_what_must_stay_makes_its_holder_go_first(lifecycle: dict[str, Any]) -> None:
    ops = [*doors(**lifecycle).ops]
    assert "targets:replace" not in ops
    assert ops.index("door:delete#1") < ops.index("door:replace")


def test_what_is_not_of_the_blueprint_makes_its_holder_go_first() -> None:
    plan = planned(
        [want("balancer", zone="y"), want("door", "door", balancer="${balancer.id}", targets="id-t")],
        [
            have("balancer", zone="x"),
            have("door", "door", balancer="id-balancer", targets="id-t", after=["balancer"]),
        ],
    )
    assert [*plan.ops].index("door:delete#1") < [*plan.ops].index("door:replace")


def test_an_older_generation_beside_which_the_new_one_can_exist_does_not_make_room() -> None:
    plan = planned([want("door", "door", balancer="b")], deposed=[deposed("door", "door", balancer="a")])
    assert plan.story == ["door:create", "door:delete#1 after door:create"]
