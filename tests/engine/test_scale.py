"""Scaling by hand: a group keeps the size it was given, and what is behind a stopped one is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from smplan.core.blueprint import Blueprint, Resource
from smplan.core.plan.changes import Permits
from smplan.core.plan.model import Op, Plan
from smplan.drivers.base import Owner
from smplan.engine.plan import detect_drift
from smplan.engine.plan_scale import plan_scale
from smplan.errors import BlueprintInvalid, Denied, GuardRefused, NotFound, TimedOut, Unreachable
from tests.engine.conftest import Bench
from tests.support.blueprints import blueprint, resource
from tests.support.fake_cloud import Gate, Herd, lost, thing


def herd(address: str = "herd", **spec: Any) -> Resource:
    return resource(address, "toy.herd", {"name": address, "least": 1, **spec})


def fleet(*more: Resource, gate: int = 1, behind: int = 1, **sizes: Any) -> Blueprint:
    """A herd, a gate that waits for it, and what is reached through it."""
    return blueprint(
        herd(**sizes),
        resource("gate", "toy.gate", {"of": "${herd.id}", "count": gate}),
        thing("nodes", kind="toy.behind", size=behind, after=["gate"]),
        *more,
    )


@pytest.fixture(autouse=True)
def _herds_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gate, "well", {"h-herd", "h-other"})


def planned(bench: Bench, wanted: Blueprint, **sizes: int | None) -> Plan:
    return plan_scale(wanted, sizes, store=bench.store, world=bench.world(), report=bench.log, now=bench.now)


def scale(bench: Bench, wanted: Blueprint, **sizes: int | None) -> Plan:
    made = planned(bench, wanted, **sizes)
    assert bench.apply(made).outcome == "complete"
    return made


def size(bench: Bench, name: str = "h-herd") -> tuple[int, int]:
    spec: Any = bench.cloud.of("toy.herd")[name][0]
    return spec.least, spec.now


def steps(plan: Plan) -> list[str]:
    return [step.id for step in plan.steps]


def test_a_stopped_group_stays_stopped_and_nothing_behind_it_is_read_or_waited_for(bench: Bench) -> None:
    wanted = fleet(now=3)
    bench.make(wanted)
    made = scale(bench, wanted, herd=0)
    assert steps(made) == ["herd:scale"]
    assert [(each.path, each.before, each.after) for each in made.steps[0].changes] == [("least", 1, 0), ("now", 3, 0)]
    assert size(bench) == (0, 0)
    bench.cloud.fail("read", "toy.behind", Unreachable("none"))
    empty = bench.plan(wanted)
    assert empty.empty
    assert empty.scaled == {"herd": 0}
    assert empty.stopped == {"gate": "herd is scaled to 0", "nodes": "herd is scaled to 0"}
    assert empty.unchanged == ("herd",)
    report = detect_drift(blueprint=wanted, store=bench.store, world=bench.world(), report=bench.log)
    assert (report.drift, report.unreadable, report.stopped) == ((), {}, empty.stopped)


def test_other_changes_leave_the_size_alone(bench: Bench) -> None:
    bench.make(fleet())
    scale(bench, fleet(), herd=0)
    wanted = fleet(thing("new"), most=5, least=2, behind=2)
    made = bench.plan(wanted)
    assert steps(made) == ["herd:update", "new:create"]
    assert made.stopped["nodes"] == "herd is scaled to 0; size is changed when that is started again"
    assert bench.apply(made).outcome == "complete"
    assert size(bench) == (0, 0)
    assert bench.plan(wanted).empty


def test_starting_again_restores_the_minimum_and_waits_for_the_gate_and_what_is_behind_it(bench: Bench) -> None:
    wanted = fleet(least=2)
    bench.make(wanted)
    scale(bench, wanted, herd=0)
    made = scale(bench, wanted, herd=None)
    assert steps(made) == ["herd:scale", "gate:gate", "nodes:gate"]
    assert made.stopped == {}
    assert size(bench) == (2, 2)
    after = bench.plan(wanted)
    assert after.empty
    assert (after.scaled, after.stopped) == ({}, {})


def test_the_minimum_of_the_blueprint_as_a_number_releases_the_group_too(bench: Bench) -> None:
    wanted = fleet()
    bench.make(wanted)
    scale(bench, wanted, herd=0)
    scale(bench, wanted, herd=1)
    assert bench.state.resources["herd"].held == {}
    assert bench.plan(fleet(least=2)).steps[0].id == "herd:update"


def test_a_gate_is_stopped_while_there_are_fewer_instances_than_it_waits_for(bench: Bench) -> None:
    wanted = fleet(least=2, gate=2)
    bench.make(wanted)
    made = scale(bench, wanted, herd=1)
    assert steps(made) == ["herd:scale"]
    assert bench.plan(wanted).stopped == {"gate": "herd is scaled to 1"}
    assert steps(scale(bench, wanted, herd=3)) == ["herd:scale", "gate:gate"]
    assert bench.plan(wanted).scaled == {"herd": 3}


def test_nothing_is_scaled_that_has_the_size_already(bench: Bench) -> None:
    wanted = fleet(now=3)
    bench.make(wanted)
    assert planned(bench, wanted, herd=None).empty, "policies may have set the capacity"
    scale(bench, wanted, herd=0)
    assert planned(bench, wanted, herd=0).empty


def test_what_is_behind_several_groups_works_while_one_of_them_runs(bench: Bench) -> None:
    wanted = blueprint(
        herd(), herd("other"), thing("nodes", kind="toy.behind", after=["herd", "other"]), thing("x", after=["herd"])
    )
    bench.make(wanted)
    scale(bench, wanted, herd=0)
    assert bench.plan(wanted).stopped == {}
    scale(bench, wanted, other=0)
    assert bench.plan(wanted).stopped == {"nodes": "herd is scaled to 0 and other is scaled to 0"}


def test_what_comes_after_no_group_is_behind_all_of_them(bench: Bench) -> None:
    wanted = blueprint(herd(), thing("nodes", kind="toy.behind"))
    bench.make(wanted)
    scale(bench, wanted, herd=0)
    assert bench.plan(wanted).stopped == {"nodes": "herd is scaled to 0"}


def test_what_is_new_behind_a_stopped_group_is_made_later(bench: Bench) -> None:
    bench.make(fleet())
    scale(bench, fleet(), herd=0)
    wanted = fleet(resource("second", "toy.gate", {"of": "${herd.id}"}))
    made = bench.plan(wanted)
    assert made.empty
    assert made.stopped["second"] == "herd is scaled to 0; it is created when that is started again"


def test_a_killed_start_is_waited_for_by_the_next(bench: Bench) -> None:
    wanted = fleet()
    bench.make(wanted)
    scale(bench, wanted, herd=0)
    bench.cloud.fail("gate", "h-herd", Denied("no"))
    assert bench.apply(planned(bench, wanted, herd=1)).outcome == "failed"
    assert steps(planned(bench, wanted, herd=1)) == ["gate:gate", "nodes:gate"]


def test_a_lost_response_is_sent_again_and_a_time_out_can_be_resumed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = fleet()
    bench.make(wanted)
    monkeypatch.setattr(Herd, "timeout_seconds", 0.2)
    bench.cloud.fail("scale", "h-herd", lost())
    bench.cloud.fail("scaled", "h-herd", Denied("still moving"))
    made = planned(bench, wanted, herd=0)
    outcome = bench.apply(made)
    assert [type(error) for _, error in outcome.failed] == [TimedOut]
    bench.cloud.faults.clear()
    assert bench.apply(made).outcome == "complete"
    assert bench.plan(wanted).empty


def test_a_group_changed_since_the_plan_is_not_scaled(bench: Bench) -> None:
    wanted = fleet()
    bench.make(wanted)
    made = planned(bench, wanted, herd=0)
    bench.cloud.of("toy.herd").clear()
    bench.cloud.of("toy.behind")
    with pytest.raises(Exception, match="is gone since the plan was made"):
        bench.apply(made)


def test_what_was_stopped_and_is_gone_is_reported(bench: Bench) -> None:
    wanted = fleet()
    bench.make(wanted)
    scale(bench, wanted, herd=0)
    bench.cloud.of("toy.behind").clear()
    outcome = bench.apply(planned(bench, wanted, herd=1))
    assert [type(error) for _, error in outcome.failed] == [NotFound]


@pytest.mark.parametrize(
    ("change", "wanted", "to", "why"),
    [
        ("none", fleet(herd("new")), {"new": 0}, "new cannot be scaled: it does not exist"),
        ("gone", fleet(), {"herd": 0}, "herd cannot be scaled: it does not exist"),
        ("taken", fleet(), {"herd": 0}, "taken over by else of state other"),
        ("none", fleet(most=20), {"herd": 10}, "10 is above its `most`, 9; raise that in the blueprint"),
        ("none", fleet(least="${nodes2.size}"), {"herd": None}, "its minimum in the blueprint is not known yet"),
    ],
)
def test_what_cannot_be_scaled_is_refused(
    bench: Bench, change: str, wanted: Blueprint, to: dict[str, int | None], why: str
) -> None:
    bench.make(fleet())
    herds = bench.cloud.of("toy.herd")
    if change == "gone":
        herds.clear()
    if change == "taken":
        herds["h-herd"] = (herds["h-herd"][0], Owner("other", "else"))
    with pytest.raises(GuardRefused, match=why):
        planned(bench, wanted, **to)


def test_an_incomplete_group_is_not_scaled(bench: Bench) -> None:
    bench.cloud.fail("configure", "h-herd", Denied("no"))
    bench.apply(bench.plan(fleet()))
    with pytest.raises(GuardRefused, match="an interrupted run began to create it"):
        planned(bench, fleet(), herd=0)


def test_a_maximum_below_the_size_at_which_a_group_is_held_is_refused(bench: Bench) -> None:
    bench.make(fleet())
    scale(bench, fleet(), herd=5)
    with pytest.raises(BlueprintInvalid) as caught:
        bench.plan(fleet(most=4))
    (found,) = caught.value.diagnostics
    assert "herd is held at `least` 5, `now` 5 by `smplan scale`" in found.message


def test_a_replaced_group_keeps_its_size(bench: Bench) -> None:
    bench.make(blueprint(herd(name="a")))
    scale(bench, blueprint(herd(name="a")), herd=0)
    made = bench.plan(blueprint(herd(name="b")))
    assert [step.op for step in made.steps] == [Op.REPLACE, Op.DELETE]
    bench.apply(made)
    assert size(bench, "h-b") == (0, 0)
    assert bench.state.resources["herd"].held == {"least": 0, "now": 0}


def test_what_is_behind_a_stopped_group_is_destroyed_after_a_start_or_abandoned(bench: Bench) -> None:
    bench.make(fleet())
    scale(bench, fleet(), herd=0)
    with pytest.raises(
        GuardRefused, match=r"nodes cannot be deleted: .* it can be deleted once that is started"
    ) as why:
        bench.plan(fleet(), mode="destroy")
    assert why.value.hint.startswith("start it with `smplan scale BLUEPRINT --to blueprint`, then run the same command")
    made = bench.plan(fleet(), mode="destroy", permits=Permits(abandon=frozenset({"nodes"})))
    assert bench.apply(made).outcome == "complete"
    assert bench.state.resources == {}


def test_a_stopped_group_with_nothing_behind_it_is_destroyed(bench: Bench) -> None:
    wanted = blueprint(herd(), resource("gate", "toy.gate", {"of": "${herd.id}"}))
    bench.make(wanted)
    scale(bench, wanted, herd=0)
    assert bench.apply(bench.plan(wanted, mode="destroy")).outcome == "complete"
    assert bench.state.resources == {}
